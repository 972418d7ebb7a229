//! Uploads: write-once, durable on return, and certain. An attempt whose answer was lost may have worked; so an object that
//! stands in the way of a later attempt is read back and compared before anything is said about it.

use std::time::Duration;

use bytes::Bytes;
use opendal::Buffer;

use crate::error::{self, Error, ErrorKind};
use crate::storage::Storage;
use crate::{limits, services};

/// How one attempt ended.
pub(crate) enum Attempt {
    Done,
    /// Somebody's object, perhaps our own of an earlier attempt, has the name.
    Taken,
    /// Nothing was stored, and nothing will be.
    Failed(opendal::Error),
    /// It may have worked.
    Unknown(opendal::Error),
}

impl Attempt {
    pub(crate) fn of(error: opendal::Error) -> Self {
        match error.kind() {
            opendal::ErrorKind::ConditionNotMatch | opendal::ErrorKind::AlreadyExists => {
                Self::Taken
            }
            _ if error.is_temporary() => Self::Unknown(error),
            _ => Self::Failed(error),
        }
    }
}

/// The attempts that an upload has left.
pub(crate) struct Tries {
    left: usize,
    pause: Duration,
}

impl Tries {
    /// Waits for the next attempt after one that ended with `failure`; false when there is none.
    pub(crate) async fn again(&mut self, name: &str, failure: &opendal::Error) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let pause = self.pause;
        tracing::warn!(
            object = name, pause_ms = pause.as_millis(), cause = %error::cause(failure),
            "storage: trying the upload again"
        );
        tokio::time::sleep(with_jitter(pause)).await;
        self.pause = (pause * 2).min(limits::RETRY_PAUSE_MAX);
        true
    }
}

impl Storage {
    /// Stores an object under a name that is free. When it returns, the object is durable and complete.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when the name is taken. Services without conditional writes (see OpenDAL's table of
    /// capabilities) are asked first, which is no protection against two writers at the same moment.
    pub async fn put(&self, name: &str, data: Vec<Bytes>) -> Result<(), Error> {
        self.check_name("write", name)?;
        let data = if services::keeps_memory(self.scheme()) {
            // The caller lends its buffers until the object is durable, not for as long as the object lives.
            Buffer::from(data.concat())
        } else {
            Buffer::from(data)
        };
        if data.len() as u64 > limits::OBJECT_BYTES_MAX {
            let cause = "it is larger than 1 GiB, the most that an object may have";
            return Err(self.own_error(ErrorKind::Unsupported, "write", name, cause));
        }
        self.pace_upload(data.len() as u64).await;
        let mut may_be_ours = false;
        let mut tries = self.tries();
        loop {
            let failure = match self.attempt(name, data.clone()).await {
                Attempt::Done => return Ok(()),
                Attempt::Taken if may_be_ours => return self.compare(name, &data).await,
                Attempt::Taken => return Err(self.taken(name)),
                Attempt::Failed(error) => return Err(self.error("write", Some(name), error)),
                Attempt::Unknown(error) => error,
            };
            may_be_ours = true;
            if !tries.again(name, &failure).await {
                return self.settle(name, &data, failure).await;
            }
        }
    }

    async fn attempt(&self, name: &str, data: Buffer) -> Attempt {
        let is_conditional = self.has_conditional_writes();
        if !is_conditional {
            match self.writes().exists(name).await {
                Ok(false) => {}
                Ok(true) => return Attempt::Taken,
                Err(error) if error.is_temporary() => return Attempt::Unknown(error),
                Err(error) => return Attempt::Failed(error),
            }
        }
        let write = self.writes().write_with(name, data);
        match write.if_not_exists(is_conditional).await {
            Ok(_) => Attempt::Done,
            Err(error) => Attempt::of(error),
        }
    }

    /// After the last attempt: the object may have arrived all the same.
    async fn settle(
        &self,
        name: &str,
        data: &Buffer,
        failure: opendal::Error,
    ) -> Result<(), Error> {
        match self.size(name).await {
            Ok(_) => self.compare(name, data).await,
            // What happened to the upload says more than what happened to the question.
            Err(_) => Err(self.error("write", Some(name), failure)),
        }
    }

    /// The name is taken: by these bytes, which then must have come from here, or by others.
    async fn compare(&self, name: &str, data: &Buffer) -> Result<(), Error> {
        if self.size(name).await? != data.len() as u64 {
            return Err(self.taken(name));
        }
        let stored = self.get(name).await?;
        let mut rest = stored.as_ref();
        for piece in data.clone() {
            match rest.strip_prefix(piece.as_ref()) {
                Some(after) => rest = after,
                None => return Err(self.taken(name)),
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(self.taken(name)) }
    }

    pub(crate) fn tries(&self) -> Tries {
        Tries { left: self.retries(), pause: limits::RETRY_PAUSE_MIN }
    }

    pub(crate) fn taken(&self, name: &str) -> Error {
        self.own_error(ErrorKind::AlreadyExists, "write", name, "it is there already")
    }
}

/// Between one and two times `pause`, so that many writers do not come back at the same moment. The clock's last digits
/// are random enough for that.
fn with_jitter(pause: Duration) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let share = f64::from(now.map_or(0, |since| since.subsec_nanos()) % 1000) / 1000.0;
    pause.mul_f64(1.0 + share)
}
