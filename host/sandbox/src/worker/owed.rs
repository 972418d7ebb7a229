//! Answers that the plugin does not wait for.
//!
//! The question is sent and its answer left for later. The host answers in order, so whoever asks next takes those answers first.

use std::collections::{BTreeMap, VecDeque};

use super::fault::{Fault, Reply};
use super::state::State;
use crate::protocol::Answer;

/// What the host still owes of one call, and what the plugin has not fetched yet. All answers have come when the call ends.
#[derive(Debug, Default)]
pub struct Owed {
    last: u64,
    /// The questions whose answers have not come, in the order in which they were sent.
    under_way: VecDeque<u64>,
    came: BTreeMap<u64, Reply<Answer>>,
    /// Questions whose answers were not fetched.
    unfetched: usize,
}

/// What an answer is fetched with.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    call: u64,
    number: u64,
}

impl State {
    /// After a question was sent.
    pub fn owe(&mut self) -> Ticket {
        let owed = &mut self.call.owed;
        owed.last += 1;
        owed.under_way.push_back(owed.last);
        owed.unfetched += 1;
        Ticket { call: self.call.number, number: owed.last }
    }

    /// Takes the answers that the host still owes, so that the next one is that to the next question.
    ///
    /// # Errors
    /// Only when the lane is lost: a failure is told to whoever fetches the answer.
    pub fn settle(&mut self) -> Reply<()> {
        self.settle_but(0)
    }

    /// Takes answers until the host owes at most `left`.
    ///
    /// # Errors
    /// As [`State::settle`].
    pub fn settle_but(&mut self, left: usize) -> Reply<()> {
        while self.call.owed.under_way.len() > left {
            self.take_answer()?;
        }
        Ok(())
    }

    fn settle_until(&mut self, ticket: Ticket) -> Reply<()> {
        while self.call.owed.under_way.front().is_some_and(|first| *first <= ticket.number) {
            self.take_answer()?;
        }
        Ok(())
    }

    fn take_answer(&mut self) -> Reply<()> {
        let Some(number) = self.call.owed.under_way.pop_front() else { return Ok(()) };
        match self.answer() {
            Err(trap @ Fault::Trap(_)) => Err(trap),
            answer => {
                self.call.owed.came.insert(number, answer);
                Ok(())
            }
        }
    }

    /// The answer, once. `what` the ticket stands for.
    pub fn fetch(&mut self, ticket: Ticket, what: &str) -> Reply<Answer> {
        self.go_on()?;
        if ticket.call != self.call.number {
            return Err(Fault::other(format!("the {what} belongs to a call that has ended")));
        }
        self.settle_until(ticket)?;
        let came = self.call.owed.came.remove(&ticket.number);
        let answer = came.ok_or_else(|| Fault::other(format!("the {what} is finished")))?;
        self.call.owed.unfetched = self.call.owed.unfetched.saturating_sub(1);
        answer
    }

    /// Nobody will fetch the answer.
    pub fn forgo(&mut self, ticket: Ticket) -> Reply<()> {
        if ticket.call != self.call.number {
            return Ok(());
        }
        self.settle_until(ticket)?;
        self.call.owed.came.remove(&ticket.number);
        Ok(())
    }

    /// Fails when the call leaves answers behind: one may have been a failure.
    pub fn all_fetched(&self) -> Reply<()> {
        match self.call.owed.unfetched {
            0 => Ok(()),
            _ => Err(Fault::other("a transfer or a lookup was begun and never finished")),
        }
    }
}
