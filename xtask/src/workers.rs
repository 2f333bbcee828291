//! Work on several things at once, as many as there are processors.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};

/// Does `work` for each number below `count`; the results come in the order of the numbers.
///
/// # Errors
/// That of the smallest number whose work failed, when all have ended.
pub(crate) fn each<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    let waiting: Mutex<Vec<usize>> = Mutex::new((0..count).rev().collect());
    let done: Mutex<BTreeMap<usize, Result<T>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(at) = waiting.lock().ok().and_then(|mut waiting| waiting.pop()) {
                    let result = work(at);
                    if let Ok(mut done) = done.lock() {
                        done.insert(at, result);
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poison| poison.into_inner());
    (0..count).map(|at| done.remove(&at).context("some work was never done")?).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_failure_is_told() {
        assert_eq!(each(50, |at| Ok(at * 2)).unwrap(), (0..100).step_by(2).collect::<Vec<_>>());
        assert_eq!(each(0, Ok).unwrap(), [0; 0]);
        let failed = each(50, |at| if at % 20 == 7 { anyhow::bail!("{at} failed") } else { Ok(at) });
        assert_eq!(failed.unwrap_err().to_string(), "7 failed");
    }
}
