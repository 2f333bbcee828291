//! Cells, counted.

use super::group::Finding;
use crate::inspect::cell::Outcome;

/// How a host relates to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    /// The file comes from there, and the program that is for such files opens it.
    Program,
    /// The file comes from there, and the small program opens it.
    Home,
    /// The file's libraries are there, in the versions of another suite.
    Suite,
    /// A host that has its C library and hardly more.
    Bare,
    Libc,
    Arch,
}

/// So many cells, and how they came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) cells: usize,
    pub(super) agree: usize,
    pub(super) load: usize,
    pub(super) refused: usize,
    pub(super) crashed: usize,
    pub(super) hung: usize,
}

impl Meeting {
    pub(super) const ALL: [Meeting; 6] =
        [Meeting::Program, Meeting::Home, Meeting::Suite, Meeting::Bare, Meeting::Libc, Meeting::Arch];

    pub(super) fn words(self) -> &'static str {
        match self {
            Meeting::Program => {
                "the root file system that the file comes from, in the program that opens such files"
            }
            Meeting::Home => "the root file system that the file comes from, in a small program",
            Meeting::Suite => "the same packages' root file system in another suite, in a small program",
            Meeting::Bare => "a host with a glibc and hardly more",
            Meeting::Libc => "a host with musl",
            Meeting::Arch => "a host of the other architecture",
        }
    }
}

impl Count {
    pub(super) fn add(&mut self, cells: usize, finding: &Finding) {
        self.cells += cells;
        if finding.agree {
            self.agree += cells;
        }
        *match finding.observed {
            Outcome::Loads => &mut self.load,
            Outcome::Refused => &mut self.refused,
            Outcome::Crashed => &mut self.crashed,
            Outcome::Hung => &mut self.hung,
        } += cells;
    }

    /// How many agree, in percent.
    pub(super) fn percent(&self) -> f64 {
        100.0 * self.agree as f64 / self.cells.max(1) as f64
    }

    /// The same in words, rounded down, so that 100 % means all.
    pub(super) fn share(&self) -> String {
        share_of(self.agree, self.cells)
    }
}

/// So many of so many in percent, rounded down to two places.
pub(super) fn share_of(part: usize, whole: usize) -> String {
    let hundredths = (part * 10_000).checked_div(whole).unwrap_or(10_000);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}
