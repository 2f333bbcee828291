//! Progress bars on stderr; silent where stderr is no terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars of one run.
pub(crate) struct Progress {
    bars: MultiProgress,
}

impl Progress {
    /// Draws on stderr if it is a terminal, else nowhere.
    pub(crate) fn new() -> Progress {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Progress { bars: MultiProgress::with_draw_target(target) }
    }

    /// Work of unknown length: counts what is done.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        self.style(&bar, "{spinner} {msg}: {pos} done, {elapsed}", what)
    }

    /// Work of `length` units.
    pub(crate) fn bar(&self, length: u64, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length));
        self.style(&bar, "{msg:28} [{bar:30}] {pos}/{len} {elapsed}", what)
    }

    /// Work of `length` units that takes many minutes.
    pub(crate) fn long_bar(&self, length: u64, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length));
        self.style(&bar, "{msg:24} [{bar:20}] {pos}/{len} {elapsed}, {eta} left", what)
    }

    fn style(&self, bar: &ProgressBar, template: &str, what: &str) -> ProgressBar {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        // Removed from the screen when the caller is done with it, however that comes.
        bar.clone().with_finish(indicatif::ProgressFinish::AndClear)
    }
}
