use std::fmt;
use std::sync::Arc;

use opendal::raw::{
    Layer, OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite,
    RpCreateDir, RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, Servicer, oio,
};
use opendal::{
    Buffer, BytesRange, Capability, Error, ErrorKind, Metadata, OperationContext, Result,
};

use super::{Fault, Faults, Operation};

#[derive(Debug)]
pub(super) struct FaultLayer {
    pub(super) faults: Faults,
}

impl Layer for FaultLayer {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(Faulty { inner, faults: self.faults.clone() })
    }
}

/// A service, or a part of one, and what happens to its calls.
struct Faulty<T> {
    inner: T,
    faults: Faults,
}

impl<T> fmt::Debug for Faulty<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Faulty").finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) async fn around<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let fault = self.next(operation);
        if let Some(pause) = self.pause() {
            pause.stand().await;
        }
        match fault {
            None => call.await,
            Some(Fault::Fail) => Err(error("a fault was planned here").set_temporary()),
            Some(Fault::LoseAnswer) => {
                call.await?;
                Err(error("the answer was lost").set_temporary())
            }
            Some(Fault::Refuse) => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(error("a refusal was planned here").set_source(full))
            }
            Some(Fault::DieBefore | Fault::Abort) => Err(dead()),
            Some(Fault::DieAfter) => {
                call.await?;
                Err(dead())
            }
        }
    }
}

fn error(message: &str) -> Error {
    Error::new(ErrorKind::Unexpected, message)
}

fn dead() -> Error {
    error("nothing works any more, as planned")
}

impl Service for Faulty<Servicer> {
    type Reader = Faulty<oio::Reader>;
    type Writer = Faulty<oio::Writer>;
    type Lister = FaultyLister;
    type Deleter = Faulty<oio::Deleter>;
    type Copier = oio::Copier;
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    async fn create_dir(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let call = self.inner.create_dir(context, path, args);
        self.faults.around(Operation::CreateFolder, call).await
    }

    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        self.faults.around(Operation::Size, self.inner.stat(context, path, args)).await
    }

    fn read(&self, context: &OperationContext, path: &str, args: OpRead) -> Result<Self::Reader> {
        let inner = self.inner.read(context, path, args)?;
        Ok(Faulty { inner, faults: self.faults.clone() })
    }

    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        let inner = self.inner.write(context, path, args)?;
        Ok(Faulty { inner, faults: self.faults.clone() })
    }

    fn delete(&self, context: &OperationContext) -> Result<Self::Deleter> {
        let inner = self.inner.delete(context)?;
        Ok(Faulty { inner, faults: self.faults.clone() })
    }

    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        let inner = self.inner.list(context, path, args)?;
        Ok(FaultyLister { inner, faults: self.faults.clone(), is_started: false })
    }

    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        self.inner.copy(context, from, to, args)
    }

    async fn rename(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        self.inner.rename(context, from, to, args).await
    }

    async fn presign(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        self.inner.presign(context, path, args).await
    }
}

impl oio::Read for Faulty<oio::Reader> {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        self.faults.around(Operation::Get, self.inner.open(range)).await
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        self.faults.around(Operation::Get, self.inner.read(range)).await
    }
}

impl oio::Write for Faulty<oio::Writer> {
    async fn write(&mut self, data: Buffer) -> Result<()> {
        self.inner.write(data).await
    }

    /// The call that makes the object exist.
    async fn close(&mut self) -> Result<Metadata> {
        self.faults.around(Operation::Put, self.inner.close()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

impl oio::Delete for Faulty<oio::Deleter> {
    /// Some services delete here and some only when closed; so the call is taken to its end here.
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        let Self { inner, faults } = self;
        let call = async {
            inner.delete(path, args).await?;
            inner.close().await
        };
        faults.around(Operation::Delete, call).await
    }

    async fn close(&mut self) -> Result<()> {
        self.inner.close().await
    }
}

struct FaultyLister {
    inner: oio::Lister,
    faults: Faults,
    is_started: bool,
}

impl oio::List for FaultyLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if self.is_started {
            return self.inner.next().await;
        }
        let first = self.faults.around(Operation::List, self.inner.next()).await?;
        self.is_started = true;
        Ok(first)
    }
}
