//! Connections whose handshake is under way, which belong to a listener without lying in its queue.

use std::collections::HashSet;
use std::fs;

/// State `SYN_RECV` in /proc/net/tcp (proc_net_tcp in Documentation/networking of the kernel).
const SYN_RECEIVED: &str = "03";

/// The clients of `port`, as /proc writes them, whose handshake has not ended. `None` if the system does not tell.
///
/// Reads a line for every TCP connection of the network namespace, so do not ask in a tight loop.
pub(super) fn clients(port: u16) -> Option<HashSet<String>> {
    let v4 = fs::read_to_string("/proc/self/net/tcp").ok()?;
    // Absent where there is no IPv6.
    let v6 = fs::read_to_string("/proc/self/net/tcp6").unwrap_or_default();
    Some(parse(&v4, port).chain(parse(&v6, port)).collect())
}

fn parse(table: &str, port: u16) -> impl Iterator<Item = String> + '_ {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        (state == SYN_RECEIVED && local.ends_with(&suffix)).then(|| remote.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_handshakes_of_the_port_count() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 03 00000000:00000000 01:00000051 00000000     0        0 0 1 0
   2: 0100007F:1F91 0100007F:C351 03 00000000:00000000 01:00000051 00000000     0        0 0 1 0
   3: 0100007F:1F90 0100007F:C352 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 20 4 30 10 -1
";
        assert_eq!(parse(table, 8080).collect::<Vec<_>>(), ["0100007F:C350"]);
        assert_eq!(parse(table, 8082).count(), 0);
        assert_eq!(parse("", 8080).count(), 0);
    }
}
