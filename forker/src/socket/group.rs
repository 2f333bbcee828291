//! The sockets of one address.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::sockopt::socket_reuseport;

use super::sockopt::{attach_reuseport_program, hide};
use super::{Address, Kind, Socket, SocketError, SocketOptions, Strategy, half_open, steering};

/// One socket for all workers, or one a slot.
#[derive(Debug)]
pub(super) struct Group {
    options: SocketOptions,
    /// In the order in which they began to listen, which is the kernel's: slot k has number k, or all have number 0.
    sockets: Vec<Socket>,
    /// One a slot.
    per_slot: bool,
}

/// What a socket that gets nothing new any more still has to come.
#[derive(Debug)]
pub(super) struct Rest {
    since: Instant,
    /// Clients whose handshake was under way when new connections were first steered elsewhere; `None` before that was looked at.
    half_open: Option<HashSet<String>>,
    quiet_since: Option<Instant>,
    next_look: Instant,
    pause: Duration,
}

/// Between two looks that both find nothing: one alone may miss a line, as the kernel writes its table piece by piece while it changes.
const QUIET: Duration = Duration::from_millis(10);
/// Between looks at all connections of the machine.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(320));
/// How long a handshake may last where the system does not tell: the server has answered twice more by then (RFC 6298, 1 s and 2 s).
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(3);

impl Group {
    pub(super) fn open(
        address: &Address,
        options: SocketOptions,
        strategy: Strategy,
    ) -> Result<Self, SocketError> {
        let per_slot = strategy == Strategy::ReusePort && address.kind() != Kind::Unix;
        let first = Socket::open(address, &options, per_slot)?;
        Ok(Self { options, sockets: vec![first], per_slot })
    }

    /// Goes on with the sockets that the slots have had, in the kernel's order. Those that several slots share stay shared.
    pub(super) fn adopt(mut sockets: Vec<Socket>, options: SocketOptions, strategy: Strategy) -> Self {
        let same = |one: &Socket, other: &Socket| match (fstat(one), fstat(other)) {
            (Ok(one), Ok(other)) => one.st_ino == other.st_ino,
            _ => false,
        };
        let is_shared = sockets.len() > 1 && same(&sockets[0], &sockets[1]);
        let allows = sockets[0].kind() != Kind::Unix && socket_reuseport(&sockets[0]).unwrap_or(false);
        let per_slot = allows && !is_shared && (strategy == Strategy::ReusePort || sockets.len() > 1);
        if !per_slot {
            sockets.truncate(1);
        }
        Self { options, sockets, per_slot }
    }

    pub(super) fn grow(&mut self, slots: usize) -> Result<(), SocketError> {
        while self.per_slot && self.sockets.len() < slots {
            self.sockets.push(self.sockets[0].open_beside(&self.options)?);
        }
        Ok(())
    }

    /// The sockets that [`shrink`](Self::shrink) is going to close are found by no packet any more; false if there are none, or the system
    /// cannot do that.
    ///
    /// A socket that is closed leaves the group first, and the table of listeners then (inet_unhash, udp_lib_unhash). In between, a packet that
    /// looks for the address takes it for one without a group, to which no program applies, and gets it: as the first of the table, where IPv4
    /// has the newest. So the client is answered, and reset when the socket is gone a moment later. Under load that happened once in some hundreds
    /// of closings at its worst, and once in 25,000 where the clients got less of the processors. `net.ipv4.tcp_migrate_req` would prevent it, too,
    /// but is the administrator's.
    pub(super) fn hide(&self, slots: usize) -> bool {
        if !self.per_slot {
            return false;
        }
        let leaving = self.sockets.iter().skip(slots.max(1));
        leaving.filter(|socket| hide(socket).is_ok()).count() > 0
    }

    /// Closes the last first, so that the kernel's numbers of the others stay (reuseport_detach_sock puts the last in the place of the one
    /// that leaves).
    pub(super) fn shrink(&mut self, slots: usize) {
        while self.sockets.len() > slots.max(1) {
            self.sockets.pop();
        }
    }

    pub(super) fn address(&self) -> &Address {
        self.sockets[0].address()
    }

    pub(super) fn is_per_slot(&self) -> bool {
        self.per_slot
    }

    pub(super) fn socket(&self, slot: usize) -> Option<&Socket> {
        self.sockets.get(if self.per_slot { slot } else { 0 })
    }

    pub(super) fn descriptor(&self, slot: usize) -> Option<BorrowedFd<'_>> {
        self.socket(slot).map(AsFd::as_fd)
    }

    pub(super) fn sockets_mut(&mut self) -> &mut [Socket] {
        &mut self.sockets
    }

    /// New connections and datagrams go to these slots only.
    pub(super) fn steer(&self, slots: &[usize]) -> Result<(), Errno> {
        if !self.per_slot {
            return Ok(());
        }
        if slots.is_empty() || slots.len() > steering::MOST_SLOTS {
            return Err(Errno::INVAL);
        }
        let program = match self.address().kind() {
            Kind::Udp => steering::by_sender(slots),
            Kind::Tcp | Kind::Unix => steering::at_random(slots),
        };
        attach_reuseport_program(&self.sockets[0], &program)
    }

    /// Nothing waits at the slot's socket, and nothing is on its way there, given that new connections have gone elsewhere since `rest` began, and
    /// that the kernel has [finished](super::settling) with those before.
    pub(super) fn is_drained(&self, slot: usize, rest: &mut Rest, now: Instant) -> bool {
        let Some(socket) = self.socket(slot).filter(|_| self.per_slot) else {
            return true;
        };
        if now < rest.next_look {
            return false;
        }
        rest.next_look = now + rest.pause;
        rest.pause = (rest.pause * 2).min(PAUSES.1);
        // In this order: what is half open no more is in the queue by now.
        let is_to_come = self.has_half_open(rest, now);
        if is_to_come || socket.has_waiting() {
            rest.quiet_since = None;
            return false;
        }
        now.duration_since(*rest.quiet_since.get_or_insert(now)) >= QUIET
    }

    /// A handshake that had begun when new connections were first steered away still goes on.
    fn has_half_open(&self, rest: &mut Rest, now: Instant) -> bool {
        let Address::Tcp(ip) = self.address() else {
            return false;
        };
        if rest.half_open.as_ref().is_some_and(HashSet::is_empty) {
            return false;
        }
        let Some(clients) = half_open::clients(ip.port()) else {
            return now < rest.since + LONGEST_HANDSHAKE;
        };
        // Those that began later belong to other sockets.
        let ours = match rest.half_open.take() {
            Some(before) => before.intersection(&clients).cloned().collect(),
            None => clients,
        };
        !rest.half_open.insert(ours).is_empty()
    }
}

impl Rest {
    pub(super) fn begin(now: Instant) -> Self {
        Self { since: now, half_open: None, quiet_since: None, next_look: now, pause: PAUSES.0 }
    }
}
