//! What becomes of a read where the file of a mapping was shortened: the kernel sends SIGBUS (mmap(2)), which ends the process, and
//! here those are nginx's workers. So there is a handler that puts a page of zeros where one is gone, in guarded mappings only; the
//! checksums that every reader looks at tell that this is not what was published.
//!
//! Any other SIGBUS goes where it would have gone. The handler stays until the process ends.
#![allow(unsafe_code)]

use libc::{c_int, c_void, siginfo_t};
use std::mem::{transmute, MaybeUninit};
use std::ptr::{addr_of, null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;

/// Keeps a range guarded as long as it lives. Dropped before the range is unmapped.
#[derive(Debug)]
pub(super) struct Guard(Option<&'static Range>);

/// The first byte, and the first one behind. Free where the start is 0; being taken where it is 1, which no mapping begins at.
#[derive(Debug)]
struct Range {
    start: AtomicUsize,
    end: AtomicUsize,
}

const FREE: usize = 0;
const TAKEN: usize = 1;

/// A reader has three mappings, and for a moment twice as many.
const MOST: usize = 128;

// Each place of the array gets its own.
#[allow(clippy::declare_interior_mutable_const)]
const NOTHING: Range = Range { start: AtomicUsize::new(FREE), end: AtomicUsize::new(0) };
static RANGES: [Range; MOST] = [NOTHING; MOST];

/// What the process had before.
static FORMER: OnceLock<libc::sigaction> = OnceLock::new();
static PAGE: OnceLock<usize> = OnceLock::new();

impl Guard {
    /// Guards the bytes of a mapping. Where there are too many already, or the system allows no handler, they stay as they are.
    pub(super) fn over(bytes: &[u8]) -> Guard {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        if bytes.is_empty() || !*INSTALLED.get_or_init(install) {
            return Guard(None);
        }
        let start = bytes.as_ptr() as usize;
        let take = |range: &&Range| {
            range.start.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let taken = RANGES.iter().find(take);
        if let Some(range) = taken {
            range.end.store(start + bytes.len(), Ordering::Relaxed);
            range.start.store(start, Ordering::Release);
        }
        Guard(taken)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(range) = self.0 {
            range.start.store(FREE, Ordering::Release);
        }
    }
}

/// Says whether the handler is in place.
fn install() -> bool {
    let Ok(page) = usize::try_from(page_size()) else { return false };
    let mut former = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action this only writes the present one, which all zeros are a valid value of, too.
    let former = unsafe {
        if libc::sigaction(libc::SIGBUS, null(), former.as_mut_ptr()) != 0 {
            return false;
        }
        former.assume_init()
    };
    // Both before the handler, which reads them.
    let _ = (PAGE.set(page), FORMER.set(former));
    // SAFETY:
    // - All zeros are a valid action, with an empty set of blocked signals.
    // - The handler has the signature that SA_SIGINFO asks for, and does only what a handler may (signal-safety(7)): it reads
    //   atomics and makes system calls.
    // - SA_ONSTACK lets it run on the stack that a runtime may have set up for its own handler, to which ours passes on.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handle as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigaction(libc::SIGBUS, addr_of!(action), null_mut()) == 0
    }
}

fn page_size() -> libc::c_long {
    // SAFETY: it only tells a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes what it tells of the signal. Where somebody has sent it, its code is not positive, and there is no address.
    let address = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) };
    if !address.is_some_and(|address| is_guarded(address) && fill(address)) {
        pass_on(signal, info, context);
    }
}

/// Whoever faults reads in this mapping now, so that its range stays as it is.
fn is_guarded(address: usize) -> bool {
    RANGES.iter().any(|range| {
        let start = range.start.load(Ordering::Acquire);
        start > TAKEN && (start..range.end.load(Ordering::Relaxed)).contains(&address)
    })
}

/// Puts a page of zeros around `address`, which then reads as such.
fn fill(address: usize) -> bool {
    let Some(page) = PAGE.get() else { return false };
    let start = address & !(page - 1);
    // SAFETY: the page lies in a mapping of this crate (see `is_guarded`), which is only read, and which nobody unmaps while somebody
    // reads it. mmap(2) makes no use of anything that a signal may have interrupted.
    let mapped = unsafe {
        libc::mmap(
            start as *mut c_void,
            *page,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Does what the process would have done without this handler.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(former) = FORMER.get() else { return };
    // SAFETY: as in `handle`.
    let is_sent = unsafe { (*info).si_code <= 0 };
    match former.sa_sigaction {
        libc::SIG_IGN if is_sent => {}
        // SAFETY: the default action needs nothing. When this handler returns, the fault comes again and ends the process; so does a
        // signal that was sent, which is raised here and blocked until then.
        libc::SIG_DFL | libc::SIG_IGN => unsafe {
            libc::signal(signal, libc::SIG_DFL);
            if is_sent {
                libc::raise(signal);
            }
        },
        // SAFETY: sigaction(2): with SA_SIGINFO the value is a handler of three arguments, which are those that the kernel gave.
        handler if former.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(handler)(
                signal, info, context,
            );
        },
        // SAFETY: as above; without it, of one argument.
        handler => unsafe { transmute::<usize, extern "C" fn(c_int)>(handler)(signal) },
    }
}
