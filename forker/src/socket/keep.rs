//! The sockets that a master keeps open as long as it lives, so that no death of a worker resets what waits on them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::group::{Group, Rest};
use super::unix_file::UnixFile;
use super::{Address, Socket, SocketError, SocketOptions, settling};

/// How connections get to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Each worker has a socket, and so a queue, of its own on each address (SO_REUSEPORT), and the kernel spreads connections and datagrams.
    ReusePort,
    /// All workers take from the one socket of each address.
    Inherit,
}

/// What the master owns for all addresses: one socket an address, or one an address and slot.
///
/// A worker's replacement gets the very same sockets, so that what waits there is answered. Unix sockets are always shared, and so are
/// sockets from elsewhere that do not allow others beside them.
///
/// To have fewer slots, [`steer`](Self::steer) away from the highest, let its worker go on until [`is_drained`](Self::is_drained), stop it,
/// and [`shrink`](Self::shrink). To have more, [`grow`](Self::grow), start the worker, and `steer` to it as soon as it is ready.
///
/// Dropping it closes the sockets and removes the files of unix sockets that it made. It has no threads and does not block, but for what `is_drained`
/// and `shrink` say.
#[derive(Debug)]
pub struct Sockets {
    strategy: Strategy,
    groups: Vec<Group>,
    /// Where the groups really are.
    addresses: Vec<Address>,
    slots: usize,
    /// Where new connections go.
    active: Vec<usize>,
    /// The kernel took the last program, so that nothing new comes to other slots.
    steers: bool,
    /// What the slots that are not active still have to come.
    resting: BTreeMap<usize, Resting>,
}

/// A slot that gets nothing new.
#[derive(Debug)]
struct Resting {
    since: Instant,
    /// The kernel has finished with what it was giving to the slot at that time.
    is_settled: bool,
    /// One for each group.
    of_groups: Vec<Rest>,
}

impl Sockets {
    /// Opens the sockets of so many slots. An option that makes sense for some of the addresses is set on those.
    ///
    /// # Errors
    /// [`SocketError`] naming the address, or the option that makes sense for none; nothing is left open.
    pub fn open(
        addresses: &[Address],
        options: &SocketOptions,
        strategy: Strategy,
        slots: usize,
    ) -> Result<Self, SocketError> {
        options.check_any(addresses)?;
        let groups = addresses
            .iter()
            .map(|address| Group::open(address, options.fitting(address), strategy))
            .collect::<Result<_, _>>()?;
        Self::of(groups, strategy, slots.max(1))
    }

    /// Goes on with sockets that somebody else opened, a former master or systemd: slot by slot, in the order of the addresses, as
    /// [`rows`](Self::rows) gives them. Opens what is missing for so many slots; there are at least as many as rows, so that workers can
    /// drain those that are too many. Sockets that slots share, or have each for itself, stay so whatever the strategy.
    ///
    /// # Errors
    /// [`SocketError`] naming the address.
    ///
    /// # Panics
    /// If the rows are not equally long.
    pub fn adopt(
        rows: Vec<Vec<Socket>>,
        options: &SocketOptions,
        strategy: Strategy,
        slots: usize,
    ) -> Result<Self, SocketError> {
        let slots = slots.max(rows.len()).max(1);
        let mut columns: Vec<Vec<Socket>> = Vec::new();
        for (slot, row) in rows.into_iter().enumerate() {
            if slot == 0 {
                columns = row.into_iter().map(|socket| vec![socket]).collect();
            } else {
                assert_eq!(row.len(), columns.len(), "each slot has a socket at each address");
                columns.iter_mut().zip(row).for_each(|(column, socket)| column.push(socket));
            }
        }
        let groups = columns
            .into_iter()
            .map(|column| {
                let options = options.fitting(column[0].address());
                Group::adopt(column, options, strategy)
            })
            .collect();
        Self::of(groups, strategy, slots)
    }

    fn of(mut groups: Vec<Group>, strategy: Strategy, slots: usize) -> Result<Self, SocketError> {
        for group in &mut groups {
            group.grow(slots)?;
        }
        let addresses = groups.iter().map(|group| group.address().clone()).collect();
        let active = (0..slots).collect();
        let resting = BTreeMap::new();
        let mut sockets = Self { strategy, groups, addresses, slots, active, steers: false, resting };
        // A former master may have left a program that leaves slots out. Where programs are unknown, none was left.
        let _ = sockets.attach();
        Ok(sockets)
    }

    /// How many slots have sockets.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How connections get to workers.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Where they really are, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The sockets of one slot, in the order of the addresses.
    #[must_use]
    pub fn for_slot(&self, slot: usize) -> Vec<BorrowedFd<'_>> {
        self.groups.iter().filter_map(|group| group.descriptor(slot)).collect()
    }

    /// All of them for a new master: slot by slot, as [`Sockets::adopt`] takes them. What slots share is in each row; there is one row if
    /// they share all.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<BorrowedFd<'_>>> {
        let rows = if self.is_shared() { 1 } else { self.slots };
        (0..rows).map(|slot| self.for_slot(slot)).collect()
    }

    fn is_shared(&self) -> bool {
        self.groups.iter().all(|group| !group.is_per_slot())
    }

    /// Opens sockets until there are so many slots. The new ones get nothing before [`steer`](Self::steer) names them, so that no
    /// connection waits for a worker that is still to start.
    ///
    /// # Errors
    /// [`SocketError`] naming the address; then there are as many slots as before.
    pub fn grow(&mut self, slots: usize) -> Result<(), SocketError> {
        if slots <= self.slots {
            return Ok(());
        }
        for position in 0..self.groups.len() {
            if let Err(error) = self.groups[position].grow(slots) {
                self.close_all_but(self.slots);
                return Err(error);
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// Closes the sockets of the highest slots until so many are left, at least one. What waits there, or is half open, is reset, unless
    /// `net.ipv4.tcp_migrate_req` is set: [`is_drained`](Self::is_drained) says when there is nothing.
    ///
    /// Before that it has the kernel look for none of them any more, and waits until that is so: some milliseconds, at times a few tens, and a tenth of
    /// a second where the system has no membarrier(2). Otherwise a connection that begins while one is closed could be reset, at worst once in a
    /// few hundred times under load. Before Linux 5.7 that takes the capability `CAP_NET_RAW`; without it they are closed as they are.
    pub fn shrink(&mut self, slots: usize) {
        let slots = slots.max(1);
        if slots >= self.slots {
            return;
        }
        // Before, not after, so that the program never answers with the number of a socket that is gone.
        let mut left: Vec<usize> = self.active.iter().copied().filter(|&slot| slot < slots).collect();
        if left.is_empty() {
            left = (0..slots).collect();
        }
        let _ = self.steer(&left);
        self.close_all_but(slots);
        self.slots = slots;
        self.resting.retain(|&slot, _| slot < slots);
    }

    fn close_all_but(&mut self, slots: usize) {
        // Each is hidden before one wait for all.
        if self.groups.iter().filter(|group| group.hide(slots)).count() > 0 {
            settling::wait();
        }
        self.groups.iter_mut().for_each(|group| group.shrink(slots));
    }

    /// Has the kernel give new connections and datagrams to these slots only; no slot stands for all. Connections whose handshake has
    /// begun stay where they began. A datagram goes to the same slot as the one before from its sender, until the slots change.
    ///
    /// # Errors
    /// What setsockopt(2) says, where the system has no `SO_ATTACH_REUSEPORT_CBPF` (an emulator may not); then connections go where they
    /// went before, which is to all sockets that are open.
    ///
    /// # Panics
    /// If a slot has no sockets.
    pub fn steer(&mut self, slots: &[usize]) -> io::Result<()> {
        assert!(slots.iter().all(|&slot| slot < self.slots), "{slots:?} of {} slots", self.slots);
        let mut active = if slots.is_empty() { (0..self.slots).collect() } else { slots.to_vec() };
        active.sort_unstable();
        active.dedup();
        let before = std::mem::replace(&mut self.active, active);
        if let Err(error) = self.attach() {
            self.active = before;
            return Err(error);
        }
        let now = Instant::now();
        self.resting.retain(|slot, _| !self.active.contains(slot));
        for slot in (0..self.slots).filter(|slot| !self.active.contains(slot)) {
            let begin = || {
                let of_groups = self.groups.iter().map(|_| Rest::begin(now)).collect();
                Resting { since: now, is_settled: false, of_groups }
            };
            self.resting.entry(slot).or_insert_with(begin);
        }
        Ok(())
    }

    fn attach(&mut self) -> io::Result<()> {
        let mut groups = self.groups.iter().filter(|group| group.is_per_slot());
        let attached = groups.try_for_each(|group| group.steer(&self.active));
        self.steers = attached.is_ok();
        Ok(attached?)
    }

    /// The slot's own sockets have nothing waiting and nothing to come: its worker can go, and they can be closed. Never so for a slot that
    /// new connections go to; a slot without sockets of its own is always drained. Where the kernel could not be told, it only says whether
    /// nothing waits at this moment.
    ///
    /// Ask again and again: it looks at most every 10 ms, later less often, since a look costs reading all TCP connections of the machine. The
    /// first time it waits until the kernel has finished with what it was giving to the slot: some milliseconds, at times a few tens (membarrier(2);
    /// a tenth of a second, without waiting, where the system has none). A client that began a handshake and vanished keeps it from being
    /// drained for a minute, and with `TCP_DEFER_ACCEPT` so does one that sends nothing: have a deadline.
    pub fn is_drained(&mut self, slot: usize) -> bool {
        if self.is_shared() || slot >= self.slots {
            return true;
        }
        if !self.steers {
            return !self.has_waiting(slot);
        }
        let Some(Resting { since, is_settled, of_groups }) = self.resting.get_mut(&slot) else {
            return false;
        };
        *is_settled = *is_settled || settling::is_over(*since);
        if !*is_settled {
            return false;
        }
        let now = Instant::now();
        // Each is looked at, so that their times of quiet coincide.
        let drained =
            self.groups.iter().zip(of_groups).map(|(group, rest)| group.is_drained(slot, rest, now));
        drained.filter(|drained| !drained).count() == 0
    }

    /// Whether something waits at a slot's sockets, at this moment.
    #[must_use]
    pub fn has_waiting(&self, slot: usize) -> bool {
        self.groups.iter().filter_map(|group| group.socket(slot)).any(Socket::has_waiting)
    }

    /// The files of unix sockets stay when this is dropped: a new master has the sockets now.
    pub fn leave_files(&mut self) {
        for group in &mut self.groups {
            group.sockets_mut().iter_mut().for_each(Socket::leave_file);
        }
    }

    /// The files of unix sockets go when this is dropped: the former master has left them to this one. Not for sockets from systemd, which
    /// keeps them.
    pub fn take_files(&mut self) {
        for socket in self.groups.iter_mut().flat_map(Group::sockets_mut) {
            socket.file = socket.address().file().and_then(|path| UnixFile::own(path).ok());
        }
    }
}
