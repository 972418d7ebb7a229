//! Jobs from several streams to several threads.

use lockgate_types::Digest;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::budget::Budget;
use super::queue::{Job, Queue, Role};
use crate::format::BlobKind;

const BYTES: usize = 100;

/// Every job is taken exactly once and done when the queue says that it is idle; then everybody ends.
pub fn every_job_is_done_once(producers: u8, jobs: u8, takers: usize) {
    let (queue, budget) = (Arc::new(Queue::default()), Budget::new(1 << 20));
    let done = Arc::new(Mutex::new(Vec::new()));
    let pool: Vec<_> = (0..takers)
        .map(|_| {
            let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
            thread::spawn(move || {
                while let Some(mut batch) = queue.pop(takers, 1) {
                    for job in batch.jobs.drain(..) {
                        let Role::Blob(_, id) = job.role else { unreachable!("they are blobs") };
                        done.lock().unwrap().push(id);
                    }
                }
            })
        })
        .collect();
    let streams: Vec<_> = (0..producers)
        .map(|stream| {
            let (queue, budget) = (Arc::clone(&queue), Arc::clone(&budget));
            thread::spawn(move || {
                for number in 0..jobs {
                    queue.wait_for_room(2 * BYTES);
                    let id = Digest([stream * jobs + number; 32]);
                    let data = budget.adopt(vec![0; BYTES], BYTES);
                    queue.push(Job { data, role: Role::Blob(BlobKind::Tree, id) });
                }
            })
        })
        .collect();
    streams.into_iter().for_each(|thread| thread.join().unwrap());
    queue.wait_until_idle();
    let mut all = done.lock().unwrap().clone();
    all.sort_unstable();
    let expected: Vec<_> = (0..producers * jobs).map(|number| Digest([number; 32])).collect();
    assert_eq!(all, expected);
    queue.close();
    pool.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Who waits for a job goes when the queue is closed, with what is left.
pub fn closing_lets_who_waits_for_a_job_go() {
    let taken = let_go(3, |queue| queue.pop(1, 1).map_or(0, |batch| batch.jobs.len()));
    assert_eq!(taken.iter().sum::<usize>(), 1);
}

/// Who waits for room goes when the queue is closed, though nobody takes anything.
pub fn closing_lets_who_waits_for_room_go() {
    let_go(2, |queue| queue.wait_for_room(BYTES));
}

/// What so many threads that wait for a queue with one job return when it is closed.
fn let_go<T: Send + 'static>(threads: usize, wait: fn(&Queue) -> T) -> Vec<T> {
    let (queue, budget) = (Arc::new(Queue::default()), Budget::new(1 << 20));
    let data = budget.adopt(vec![0; BYTES], BYTES);
    queue.push(Job { data, role: Role::Blob(BlobKind::Data, Digest([0; 32])) });
    let waiting: Vec<_> = (0..threads)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || wait(&queue))
        })
        .collect();
    queue.close();
    waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
}
