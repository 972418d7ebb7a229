use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::exports::lockgate::datastore::{
    backup, health, identity, maintenance, restore,
};
use crate::bindings::lockgate::datastore::types::{Failure, Finding, Part};
use crate::{Backup, Error, Plugin, Restore, Result, job};

/// Connects a [`Plugin`] to the contract; made by [`crate::export!`].
pub struct Component<P>(PhantomData<P>);

thread_local! {
    // An instance serves one run and gets one call at a time, so that there is never more than one.
    static SESSION: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

fn start<S: 'static>(session: S) {
    SESSION.set(Some(Box::new(session)));
}

fn take<S: 'static>() -> Result<S> {
    let session = SESSION.take().and_then(|session| session.downcast::<S>().ok());
    session.map(|session| *session).ok_or_else(out_of_order)
}

fn with<S: 'static, T>(call: impl FnOnce(&mut S) -> Result<T>) -> Result<T> {
    SESSION.with_borrow_mut(|session| {
        let session = session.as_mut().and_then(|session| session.downcast_mut::<S>());
        call(session.ok_or_else(out_of_order)?)
    })
}

fn is_started<S: 'static>() -> bool {
    SESSION.with_borrow(|session| session.as_ref().is_some_and(|session| session.is::<S>()))
}

fn out_of_order() -> Error {
    Error::other("the host called before `begin` or `join`")
}

impl<P: Plugin> identity::Guest for Component<P> {
    fn describe() -> identity::Descriptor {
        job::prepare();
        P::describe()
    }
}

impl<P: Plugin> health::Guest for Component<P> {
    fn check() -> Result<Vec<Finding>, Failure> {
        job::prepare();
        Ok(P::check(job::config()?)?)
    }
}

impl<P: Plugin> backup::Guest for Component<P> {
    fn begin(request: backup::Request) -> Result<backup::Plan, Failure> {
        job::prepare();
        let (session, plan) = P::Backup::begin(job::config()?, request)?;
        start(session);
        Ok(plan)
    }

    fn join(mark: Vec<u8>) -> Result<(), Failure> {
        job::prepare();
        start(P::Backup::join(job::config()?, mark)?);
        Ok(())
    }

    fn release() -> Result<(), Failure> {
        Ok(with(P::Backup::release)?)
    }

    fn export(part: Part) -> Result<backup::Summary, Failure> {
        Ok(with(|session: &mut P::Backup| session.export(part))?)
    }

    fn end(outcome: backup::Outcome) -> Result<Vec<Finding>, Failure> {
        Ok(take::<P::Backup>()?.end(outcome)?)
    }
}

impl<P: Plugin> restore::Guest for Component<P> {
    fn preview(request: restore::Request) -> Result<Vec<restore::Step>, Failure> {
        job::prepare();
        Ok(P::Restore::preview(job::config()?, request)?)
    }

    fn begin(request: restore::Request) -> Result<Vec<Vec<Part>>, Failure> {
        job::prepare();
        let (session, stages) = P::Restore::begin(job::config()?, request)?;
        start(session);
        Ok(stages)
    }

    fn join(request: restore::Request) -> Result<(), Failure> {
        job::prepare();
        start(P::Restore::join(job::config()?, request)?);
        Ok(())
    }

    fn import(part: Part) -> Result<(), Failure> {
        Ok(with(|session: &mut P::Restore| session.import(part))?)
    }

    fn end(outcome: backup::Outcome) -> Result<Vec<Finding>, Failure> {
        Ok(take::<P::Restore>()?.end(outcome)?)
    }

    fn fingerprint(part: Part) -> Result<String, Failure> {
        job::prepare();
        if !is_started::<P::Restore>() {
            let parts = vec![part.clone()];
            let request = restore::Request { parts, ..restore::Request::default() };
            start(P::Restore::join(job::config()?, request)?);
        }
        Ok(with(|session: &mut P::Restore| session.fingerprint(part))?)
    }
}

impl<P: Plugin> maintenance::Guest for Component<P> {
    fn enter() -> Result<(), Failure> {
        job::prepare();
        Ok(P::enter_maintenance(job::config()?)?)
    }

    fn leave() -> Result<(), Failure> {
        job::prepare();
        Ok(P::leave_maintenance(job::config()?)?)
    }

    fn act(action: String, arguments: String) -> Result<Vec<Finding>, Failure> {
        job::prepare();
        Ok(P::act(job::config()?, &action, &arguments)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_between_calls_and_gone_after_the_end() {
        start(7_u32);
        with(|number: &mut u32| {
            *number += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(take::<u32>(), Ok(8));
        assert_eq!(take::<u32>(), Err(out_of_order()));
    }

    #[test]
    fn a_session_of_another_direction_is_refused() {
        start("restore");
        assert_eq!(with(|_: &mut u32| Ok(())), Err(out_of_order()));
    }
}
