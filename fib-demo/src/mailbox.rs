//! Wakes from other threads, taken in together.
//!
//! A runtime is told of each task that another thread wakes by a system call. Answers of a cache come in bunches, from one
//! thread: so they are put into the mailbox of the thread whose tasks wait for them, and only the first in an empty mailbox
//! makes that thread look.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::task::spawn_local;

/// The mailbox of one thread and its runtime.
#[derive(Default)]
struct Mailbox(Mutex<Letters>);

#[derive(Default)]
struct Letters {
    /// Whom to wake.
    woken: Vec<Waker>,
    /// Who does that; absent while it has been told to look.
    postman: Option<Waker>,
}

/// What a future is woken by, in place of its task.
struct Letterbox {
    mailbox: Arc<Mailbox>,
    task: Waker,
}

/// Waits for `future`, whose wakes go through the mailbox of this thread. Inside of a [`tokio::runtime::LocalRuntime`], and
/// only of one on each thread.
pub(crate) async fn by_mail<F: Future>(future: F) -> F::Output {
    let mailbox = Mailbox::of_this_thread();
    let mut future = pin!(future);
    let mut known: Option<(Waker, Waker)> = None;
    poll_fn(|context| {
        let task = context.waker();
        let (_, letterbox) = match known.take() {
            Some(known_one) if known_one.0.will_wake(task) => known.insert(known_one),
            _ => {
                let letterbox = Letterbox { mailbox: Arc::clone(&mailbox), task: task.clone() };
                known.insert((task.clone(), Waker::from(Arc::new(letterbox))))
            }
        };
        future.as_mut().poll(&mut Context::from_waker(letterbox))
    })
    .await
}

impl Mailbox {
    fn of_this_thread() -> Arc<Self> {
        thread_local! {
            static MINE: OnceCell<Arc<Mailbox>> = const { OnceCell::new() };
        }
        MINE.with(|mine| {
            let mailbox = mine.get_or_init(|| {
                let mailbox = Arc::<Mailbox>::default();
                let emptied = Arc::clone(&mailbox);
                // Ends with the runtime.
                spawn_local(async move { poll_fn(|context| emptied.empty(context)).await });
                mailbox
            });
            Arc::clone(mailbox)
        })
    }

    /// Wakes all who are to be woken, for ever.
    fn empty(&self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let woken = {
                let mut letters = self.lock();
                if letters.woken.is_empty() {
                    letters.postman = Some(context.waker().clone());
                    return Poll::Pending;
                }
                std::mem::take(&mut letters.woken)
            };
            woken.into_iter().for_each(Waker::wake);
        }
    }

    fn put(&self, task: Waker) {
        let postman = {
            let mut letters = self.lock();
            letters.woken.push(task);
            letters.postman.take()
        };
        // Outside the lock, as it makes the other thread look.
        if let Some(postman) = postman {
            postman.wake();
        }
    }

    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Letterbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.mailbox.put(self.task.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::sync::{oneshot, watch};
    use tokio::time::timeout;

    #[test]
    fn what_other_threads_answer_arrives() {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let (tell_all, told) = watch::channel(0);
            let mut waiting = Vec::new();
            let mut senders = Vec::new();
            for number in 0..100 {
                let (sender, receiver) = oneshot::channel();
                senders.push((number, sender));
                let mut told = told.clone();
                waiting.push(spawn_local(by_mail(async move {
                    let first = receiver.await.unwrap();
                    told.wait_for(|value| *value == 1).await.unwrap();
                    first
                })));
            }
            let thread = std::thread::spawn(move || {
                senders.into_iter().for_each(|(number, sender)| sender.send(number).unwrap());
                tell_all.send_replace(1);
                tell_all
            });
            for (number, task) in waiting.into_iter().enumerate() {
                let answer = timeout(Duration::from_secs(30), task).await.expect("woken").unwrap();
                assert_eq!(answer, number);
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn time_goes_on() {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let never = async { timeout(Duration::from_millis(20), std::future::pending::<()>()).await };
        assert!(runtime.block_on(by_mail(never)).is_err());
    }
}
