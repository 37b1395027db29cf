//! Who carries out what is written: a thread of its own, or whoever asks.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::StoreError;
use super::writer::{Job, Writer};

/// Carries work to the writer, one piece after the other.
pub(super) enum Hands {
    /// A thread of the store: work goes on while the caller waits.
    Thread {
        jobs: Mutex<Option<mpsc::Sender<Job>>>,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    /// The caller's own thread.
    Caller(Box<Mutex<Writer>>),
}

impl Hands {
    /// Starts the thread that writes.
    pub(super) fn of_a_thread(writer: Writer) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok(Self::Thread {
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whoever asks carries it out.
    pub(super) fn of_the_caller(writer: Writer) -> Self {
        Self::Caller(Box::new(Mutex::new(writer)))
    }

    pub(super) fn is_caller(&self) -> bool {
        matches!(self, Self::Caller(_))
    }

    /// Runs work that makes its own transactions.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = match self {
            Self::Caller(writer) => {
                return Ok(work(&mut writer.lock().unwrap_or_else(PoisonError::into_inner)));
            }
            Self::Thread { jobs, .. } => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |writer| {
                    // The caller went away: what was written stays written.
                    let _ = reply.send(work(writer));
                });
                let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
                let sender = jobs.as_ref().ok_or(StoreError::Closed)?;
                sender.send(job).map_err(|_| StoreError::Closed)?;
                answer
            }
        };
        answer.await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        match self {
            Self::Caller(writer) => writer.get_mut().unwrap_or_else(PoisonError::into_inner).end(),
            Self::Thread { jobs, thread } => {
                drop(jobs.get_mut().unwrap_or_else(PoisonError::into_inner).take());
                let thread = thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(thread) = thread
                    && thread.thread().id() != std::thread::current().id()
                    && thread.join().is_err()
                {
                    tracing::error!("the writing thread ended by a panic");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use records::ids::DocKind;
    use records::tree::Edit;

    use crate::Store;
    use crate::workbench::{Bench, commit, new_doc};

    /// Looks once; what needs another thread is not ready then.
    fn at_once<T>(work: impl Future<Output = T>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits for another thread"),
        }
    }

    #[test]
    fn a_store_without_threads_has_written_and_read_when_the_call_returns() {
        let bench = Bench::new();
        let mut options = bench.options();
        options.inline = true;
        let store = Store::open(bench.folder.path(), options).unwrap();
        let named = new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], "示例甲")]);
        let done = at_once(store.commit(commit(vec![named]))).unwrap();
        let patient = done.docs[0].patient().unwrap();
        assert_eq!(
            at_once(store.chart(patient)).unwrap().unwrap().value.name,
            "示例甲"
        );
        drop(store);
        let mut options = bench.options();
        options.inline = true;
        let again = Store::open(bench.folder.path(), options).unwrap();
        assert_eq!(at_once(again.patients_count()).unwrap(), 1);
    }
}
