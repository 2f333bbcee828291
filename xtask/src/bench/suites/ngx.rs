//! What it costs nginx to find the upstream by the host.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bench_driver::{Beside, Copy, Hosts, Program};

use super::programs::{EPOLL, NGINX, ask_ip_of, nginx, peer};
use crate::bench::bed::Bed;
use crate::bench::http_suite::{HttpSubject, HttpSuite};
use crate::bench::metric::Metric;
use crate::bench::raw::Suite;
use crate::bench::timed_suite::{TIMES, TimedSubject, TimedSuite};

/// Images of peers.
pub(super) const PEERS: &[&str] = &[NGINX, EPOLL];

/// Of the image of nginx, which is Debian's in trixie.
const NGINX_VERSION: &str = "1.26";

const UPSTREAM_PORT: u16 = 9000;
const MODULE: &str = "/tmp/nginx/ngx_http_set_backend_module.so";
const RESOLVER: &str = "/tmp/nginx/snapshot.so";

/// How many hosts there are, and how names of subjects end.
#[derive(Clone, Copy)]
struct Size {
    hosts: u32,
    /// Of `balancer`, `variable`, `map`, `lua-balancer` and `lua-variable`.
    names: [&'static str; 5],
}

/// Takes all samples: of servers, then of what stands behind them.
pub(super) fn measure(bed: &Bed<'_>) -> Result<Suite> {
    let sizes = sizes(bed.quick);
    for size in sizes {
        prepare(bed, size.hosts)?;
    }
    let [_, many] = sizes.map(|size| size.hosts);
    let mut suite = servers(bed, sizes)?.measure(bed)?;
    for timed in [lookups(bed, many)?, table_size(bed, many)?, publications(bed, many)?, changes(bed)?] {
        suite = suite.joined(timed.measure(bed)?);
    }
    Ok(suite)
}

/// A thousand and a million; where it only has to run, fewer.
fn sizes(quick: bool) -> [Size; 2] {
    let few = ["balancer-1k", "variable-1k", "map-1k", "lua-balancer-1k", "lua-variable-1k"];
    let many = ["balancer-1m", "variable-1m", "map-1m", "lua-balancer-1m", "lua-variable-1m"];
    let hosts = if quick { 20_000 } else { 1_000_000 };
    [Size { hosts: 1_000, names: few }, Size { hosts, names: many }]
}

/// The names that `backend-bench` gives the hosts of its tables.
fn hosts(count: u32) -> Hosts {
    Hosts { before: "customer-".to_owned(), after: ".sites.hosting.example".to_owned(), count }
}

fn address() -> String {
    format!("127.0.0.1:{UPSTREAM_PORT}")
}

fn table(bed: &Bed<'_>, hosts: u32) -> String {
    bed.prepared(&format!("table-{hosts}"))
}

/// Writes the table for our module, and the lines for nginx's own `map`.
fn prepare(bed: &Bed<'_>, count: u32) -> Result<()> {
    let bench = bed.program("backend-bench")?;
    let words = [bench.as_str(), "publish", &count.to_string(), &table(bed, count), &address()];
    bed.run(&words.map(str::to_owned), &Default::default()).context("publishing a table")?;
    bed.prepare(&format!("map-{count}"), &map_lines(&hosts(count)))?;
    Ok(())
}

fn map_lines(hosts: &Hosts) -> String {
    let mut text = String::new();
    for number in 0..hosts.count {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {};", hosts.name(number), address());
    }
    text
}

fn servers(bed: &Bed<'_>, sizes: [Size; 2]) -> Result<HttpSuite> {
    let module = bed.nginx_module(NGINX_VERSION)?;
    let resolver = bed.plugin_for_nginx("snapshot")?;
    let [few, _] = sizes;
    let subject = |name, is: &str, hosts: u32, parts: Parts| -> HttpSubject {
        let program = nginx(bed, &parts.main, &parts.http());
        let program = Program { copies: parts.copies, patience_seconds: 90.0, ..program };
        HttpSubject::new(name, is, program, ask_ip_of(self::hosts(hosts)))
            .of_image(NGINX)
            .beside(vec![upstream(bed)])
    };
    let mut subjects = vec![
        subject("static-kept", "a fixed upstream, connections to it kept open", few.hosts, fixed_kept()),
        subject("static", "a fixed upstream, a connection for each request", few.hosts, fixed()),
    ];
    for Size { hosts, names: [balancer, variable, map, lua_balancer, lua_variable] } in sizes {
        let ours = |parts: Parts| parts.with_our_module(&module, &resolver, &table(bed, hosts));
        let mut add = |name, is: &str, parts| {
            let is = format!("{is}; {hosts} hosts");
            subjects.push(subject(name, &is, hosts, parts));
        };
        add(balancer, "`set_backend_balancer`, connections kept open", ours(by_balancer()));
        add(variable, "`set_backend $variable`, a connection for each request", ours(by_variable()));
        add(
            map,
            "nginx's own `map`, a connection for each request",
            by_map(&bed.prepared(&format!("map-{hosts}")), hosts),
        );
        let lua = |parts: Parts| parts.with_lua(&bed.peer(NGINX, "usr"), hosts);
        add(
            lua_balancer,
            "`balancer_by_lua_block` and a shared dictionary, connections kept open",
            lua(by_lua_balancer()),
        );
        add(
            lua_variable,
            "`set_by_lua_block` and a shared dictionary, a connection for each request",
            lua(by_lua_variable()),
        );
    }
    Ok(HttpSuite {
        name: "ngx",
        question: "What does it cost nginx to find the upstream of a request by its host, among a thousand and among a million? Each request is for another \
                   host; all of them lead to the same upstream, a loop around epoll on the cores of the load generator. A variable never keeps connections to \
                   upstreams open, by nginx's own rules, so what is in one is compared with a fixed upstream that does not either. nginx is Debian's and has glibc, \
                   and so has what it loads, whatever the target of the run.",
        connections: 64,
        new_connections: None,
        subjects,
        comparisons: vec![
            ("balancer-1k", "static-kept"),
            ("balancer-1m", "static-kept"),
            ("balancer-1k", "lua-balancer-1k"),
            ("balancer-1m", "lua-balancer-1m"),
            ("variable-1k", "static"),
            ("variable-1m", "static"),
            ("variable-1k", "lua-variable-1k"),
            ("variable-1m", "lua-variable-1m"),
            ("variable-1k", "map-1k"),
            ("variable-1m", "map-1m"),
            ("balancer-1m", "balancer-1k"),
            ("static-kept", "static"),
            ("balancer-1k", "variable-1k"),
            ("static-kept", "static-kept"),
        ],
    })
}

fn upstream(bed: &Bed<'_>) -> Beside {
    let processes = bed.generator_cores.len();
    let arguments = [UPSTREAM_PORT.to_string(), processes.to_string()];
    Beside {
        program: peer(bed, EPOLL, "usr/bin/epoll-server", &arguments),
        listens: ([127, 0, 0, 1], UPSTREAM_PORT).into(),
    }
}

/// The parts of a configuration that differ.
#[derive(Default)]
struct Parts {
    /// Outside any block.
    main: String,
    /// In `http`, before the server.
    before: String,
    /// In the location, before it passes requests on.
    location: String,
    /// What follows `http://`.
    pass: String,
    /// Whether connections to the upstream are kept open.
    keeps: bool,
    /// Files that are copied before.
    copies: Vec<Copy>,
}

impl Parts {
    fn http(&self) -> String {
        let connection = if self.keeps { r#""""# } else { "close" };
        format!(
            "{}server {{ listen 127.0.0.1:8080 reuseport; location / {{\n\
             {}proxy_http_version 1.1; proxy_set_header Connection {connection}; proxy_set_header Host $host;\n\
             proxy_pass http://{};\n\
             }} }}\n",
            self.before, self.location, self.pass
        )
    }

    /// An upstream block that keeps connections open, with this in it.
    fn kept(upstream: &str) -> Parts {
        let before = format!("upstream kept {{ {upstream} keepalive 64; keepalive_requests 1000000000; }}\n");
        Parts { before, pass: "kept".to_owned(), keeps: true, ..Parts::default() }
    }

    /// The same with our module and a table.
    fn with_our_module(self, module: &str, resolver: &str, table: &str) -> Parts {
        let copy = |from: &str, to: &str| Copy { from: from.to_owned(), to: to.to_owned() };
        Parts {
            main: format!("load_module {MODULE};\n"),
            before: format!("set_backend_library {RESOLVER}; set_backend_map {table};\n{}", self.before),
            copies: vec![copy(module, MODULE), copy(resolver, RESOLVER)],
            ..self
        }
    }

    /// The same with nginx's Lua below the folder `usr`, and a shared dictionary of so many hosts. A value is the address, and its flags are the
    /// port: so neither way of using it has to take it apart.
    fn with_lua(self, usr: &str, count: u32) -> Parts {
        let Hosts { before, after, .. } = hosts(count);
        Parts {
            main: format!(
                "load_module {usr}/lib/nginx/modules/ndk_http_module.so;\n\
                 load_module {usr}/lib/nginx/modules/ngx_http_lua_module.so;\n"
            ),
            before: format!(
                "lua_package_path '{usr}/share/lua/5.1/?.lua;;';\n\
                 lua_shared_dict hosts 512m;\n\
                 init_by_lua_block {{\n\
                 for number = 0, {count} - 1 do\n\
                 local name = string.format('{before}%08d{after}', number)\n\
                 assert(ngx.shared.hosts:safe_set(name, {}, 0, {UPSTREAM_PORT}))\n\
                 end\n\
                 }}\n{}",
                if self.keeps { "'127.0.0.1'".to_owned() } else { format!("'{}'", address()) },
                self.before
            ),
            ..self
        }
    }
}

fn fixed_kept() -> Parts {
    Parts::kept(&format!("server {};", address()))
}

fn fixed() -> Parts {
    Parts { pass: address(), ..Parts::default() }
}

fn by_balancer() -> Parts {
    Parts::kept("set_backend_balancer;")
}

fn by_variable() -> Parts {
    Parts { location: "set_backend $found;\n".to_owned(), pass: "$found".to_owned(), ..Parts::default() }
}

fn by_map(file: &str, count: u32) -> Parts {
    // As large as nginx asks for, so that it does not warn and chains stay short.
    let buckets = count.next_power_of_two().max(2048);
    let before = format!(
        "map_hash_max_size {buckets}; map_hash_bucket_size 128;\nmap $host $found {{ include {file}; }}\n"
    );
    Parts { before, pass: "$found".to_owned(), ..Parts::default() }
}

fn by_lua_balancer() -> Parts {
    Parts::kept(
        "server 0.0.0.1;\n\
         balancer_by_lua_block {\n\
         local address, port = ngx.shared.hosts:get(ngx.var.host)\n\
         assert(require('ngx.balancer').set_current_peer(address, port))\n\
         }\n",
    )
}

fn by_lua_variable() -> Parts {
    let location = "set_by_lua_block $found { return (ngx.shared.hosts:get(ngx.var.host)) }\n".to_owned();
    Parts { location, pass: "$found".to_owned(), ..Parts::default() }
}

/// A program that measures what stands behind the servers.
fn timed(bed: &Bed<'_>, name: &'static str, is: &str, times: u32, words: &[&str]) -> Result<TimedSubject> {
    let mut argv = vec![bed.program("backend-bench")?];
    argv.extend(words.iter().map(|&word| word.to_owned()));
    Ok(TimedSubject::new(name, is, argv, times))
}

fn behind(
    series: &'static str,
    metric: Metric,
    subjects: Vec<TimedSubject>,
    comparisons: &'static [(&'static str, &'static str)],
) -> TimedSuite {
    TimedSuite { name: "ngx", question: "", series, metric, instructions: false, subjects, comparisons }
}

fn lookups(bed: &Bed<'_>, hosts: u32) -> Result<TimedSuite> {
    let is = format!("a host is read and looked up in a table of {hosts}");
    let times = if bed.quick { 10_000 } else { 1 << 18 };
    let words = ["lookup", TIMES, &hosts.to_string(), &table(bed, hosts)];
    let subjects = vec![timed(bed, "lookup-1m", &is, times, &words)?];
    Ok(behind("lookup", Metric::LookupSeconds, subjects, &[("lookup-1m", "lookup-1m")]))
}

fn table_size(bed: &Bed<'_>, hosts: u32) -> Result<TimedSuite> {
    let is = format!("a table of {hosts} hosts, which all workers share");
    let words = ["size", &hosts.to_string(), &table(bed, hosts)];
    Ok(behind("size", Metric::BytesPerEntry, vec![timed(bed, "size-1m", &is, 1, &words)?], &[]))
}

fn publications(bed: &Bed<'_>, hosts: u32) -> Result<TimedSuite> {
    let is = format!("one change of a table of {hosts} hosts is published, behind 2048 others");
    let times = if bed.quick { 10 } else { 200 };
    // In memory, as `/run` is.
    let words = ["change", TIMES, &hosts.to_string(), "/tmp/changed"];
    let subjects = vec![timed(bed, "publish-1m", &is, times, &words)?];
    Ok(behind("publish", Metric::PublishSeconds, subjects, &[("publish-1m", "publish-1m")]))
}

fn changes(bed: &Bed<'_>) -> Result<TimedSuite> {
    let blocks = if bed.quick { 2 } else { 50 };
    let folder = bed.prepared("writes");
    let daemon = bed.program("backend")?;
    let words = ["writes", TIMES, &folder, &daemon];
    let subject = |name, is: &str| -> Result<TimedSubject> {
        Ok(TimedSubject { by_turns: true, ..timed(bed, name, is, blocks, &words)? })
    };
    let subjects = vec![
        subject(
            "redb",
            "a transaction of redb's own for each change, on this machine's disk, by turns with the daemon",
        )?,
        subject("daemon", "the daemon's API, one client, its store on the same disk")?,
        subject("daemon-8", "the daemon's API, eight clients at a time")?,
    ];
    Ok(behind(
        "changes",
        Metric::ChangesPerSecond,
        subjects,
        &[("daemon", "redb"), ("daemon-8", "redb"), ("redb", "redb")],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_open_says_so() {
        let kept = fixed_kept().http();
        assert!(kept.contains("proxy_pass http://kept;") && kept.contains(r#"Connection "";"#), "{kept}");
        assert!(kept.contains("upstream kept { server 127.0.0.1:9000; keepalive 64;"), "{kept}");
        let fixed = fixed().http();
        assert!(fixed.contains("http://127.0.0.1:9000;") && fixed.contains("Connection close;"), "{fixed}");
    }

    #[test]
    fn every_host_is_a_line_of_the_map() {
        let lines = map_lines(&hosts(3));
        assert_eq!(lines.lines().count(), 3);
        assert_eq!(lines.lines().last(), Some("customer-00000002.sites.hosting.example 127.0.0.1:9000;"));
        assert!(by_map("/map", 1000).before.contains("map_hash_max_size 2048;"));
    }

    #[test]
    fn lua_keeps_what_it_can_use_as_it_is() {
        let balancer = by_lua_balancer().with_lua("/usr", 10).http();
        assert!(balancer.contains("safe_set(name, '127.0.0.1', 0, 9000)"), "{balancer}");
        let variable = by_lua_variable().with_lua("/usr", 10).http();
        assert!(variable.contains("safe_set(name, '127.0.0.1:9000', 0, 9000)"), "{variable}");
        assert!(variable.contains("for number = 0, 10 - 1 do"), "{variable}");
    }

    #[test]
    fn our_module_reads_the_table() {
        let parts =
            by_balancer().with_our_module("/dist/module.so", "/dist/snapshot.so", "/prepared/table-10");
        assert!(parts.http().starts_with(
            "set_backend_library /tmp/nginx/snapshot.so; set_backend_map /prepared/table-10;\n"
        ));
        assert!(parts.main.contains(MODULE) && parts.copies.len() == 2);
    }
}
