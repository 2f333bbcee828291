//! Tables in files: written, changed, and looked up in.

use backend_map::{Access, Host, Publisher, Reader, UpstreamAddress};
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Measured;
use crate::hosts::{name, numbers, pattern, upstreams};

/// Changes that a delta holds already when another is published: half of what the daemon lets it grow to.
const CHANGES_BEFORE: u32 = 2048;

/// Writes a table of so many hosts.
pub(crate) fn publish(
    folder: &Path,
    hosts: u32,
    address: &UpstreamAddress,
) -> Result<Measured, Box<dyn Error>> {
    let started = Instant::now();
    let mut publisher = Publisher::open(folder, Access::default())?;
    write_base(&mut publisher, hosts, address)?;
    Ok(Measured::Time(started.elapsed(), hosts))
}

/// Looks so many of them up, all over the table. Names are there before, as nginx has them.
///
/// The time is this thread's on the processor: on the clock, others count who share it.
pub(crate) fn look_up(folder: &Path, hosts: u32, times: u32) -> Result<Measured, Box<dyn Error>> {
    let reader = Reader::new(folder, |_| {});
    let names: Vec<String> = numbers(hosts).take(times as usize).map(name).collect();
    let mut missed = None;
    let before = processor_time();
    for name in &names {
        let host = Host::parse(name.as_bytes())?;
        if !reader.find(&host, |found| found.is_some())? {
            missed = Some(name);
        }
    }
    let took = processor_time().saturating_sub(before);
    match missed {
        None => Ok(Measured::Time(took, times)),
        Some(name) => Err(format!("{name} is not in the table of {}", folder.display()).into()),
    }
}

/// What a table takes, which is what processes that have it mapped share.
pub(crate) fn size(folder: &Path, hosts: u32) -> Result<Measured, Box<dyn Error>> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(Measured::Bytes(bytes, hosts))
}

/// Publishes one change after the other of a table with a delta.
pub(crate) fn change(folder: &Path, hosts: u32, times: u32) -> Result<Measured, Box<dyn Error>> {
    let mut publisher = Publisher::open(folder, Access::default())?;
    write_base(&mut publisher, hosts, &address(0))?;
    let mut changes = Vec::new();
    for number in 0..CHANGES_BEFORE {
        changes.push((pattern(number)?, upstreams(address(1))?));
    }
    let started = Instant::now();
    for time in 0..times {
        // Another change each time; how many there are stays the same.
        let at = time as usize % changes.len();
        changes[at].1 = upstreams(address(time.wrapping_add(2)))?;
        publisher.publish(None, changes.iter().map(|(pattern, list)| (pattern, Some(list))))?;
    }
    Ok(Measured::Time(started.elapsed(), times))
}

fn write_base(
    publisher: &mut Publisher,
    hosts: u32,
    address: &UpstreamAddress,
) -> Result<(), Box<dyn Error>> {
    let mut base = publisher.new_base()?;
    let list = upstreams(address.clone())?;
    for number in 0..hosts {
        base.add(&pattern(number)?, &list)?;
    }
    publisher.publish(Some(base.finish()?), [])?;
    Ok(())
}

/// One of many addresses.
fn address(number: u32) -> UpstreamAddress {
    let [_, second, third, fourth] = number.to_be_bytes();
    UpstreamAddress::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, second, third, fourth)), 8080))
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
