//! Who may do what, and what others see of the daemon's files.

use super::{Answer, Daemon, TOKEN, mode};

const PUBLIC: [&str; 3] = ["/", "/openapi.json", "/healthz"];
const PRIVATE: [(&str, &str); 7] = [
    ("GET", "/metrics"),
    ("GET", "/entries.json"),
    ("POST", "/entries.json"),
    ("GET", "/entries/a.json"),
    ("DELETE", "/entries/a.json"),
    ("GET", "/export.ndjson"),
    ("POST", "/import.ndjson"),
];

#[test]
fn over_tcp_nothing_of_the_map_is_seen_or_changed_without_the_token() {
    let daemon = Daemon::start();
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    let tcp = daemon.tcp();
    for path in PUBLIC {
        assert_eq!(tcp.send("GET", path, &[], b"").status, 200, "{path}");
    }
    let body = br#"{"host": "a", "backend": "192.0.2.9:80"}"#;
    for (method, path) in PRIVATE {
        for value in
            [None, Some("Bearer sesame-sesame-sesamf"), Some("Bearer "), Some(TOKEN), Some("Basic YTpi")]
        {
            let fields: Vec<_> = value.map(|value| ("authorization", value)).into_iter().collect();
            let answer = tcp.send(method, path, &fields, body);
            assert_eq!(answer.status, 401, "{method} {path} {value:?}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
            assert!(answer.error().contains("Authorization: Bearer TOKEN"), "{answer:?}");
        }
    }
    let right = format!("Bearer {TOKEN}");
    let get = || tcp.send("GET", "/entries/a.json", &[("authorization", &right)], b"");
    assert_eq!(get().json()["backend"], "192.0.2.1:80", "nobody has changed it");
    assert_eq!(tcp.send("POST", "/entries.json", &[("authorization", &right)], body).status, 200);
    assert_eq!(get().json()["backend"], "192.0.2.9:80");
}

#[test]
fn a_proxy_on_the_unix_socket_speaks_for_others() {
    let daemon = Daemon::start();
    for field in ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"] {
        assert_eq!(daemon.client().send("GET", "/entries.json", &[(field, "192.0.2.1")], b"").status, 401);
    }
    assert_eq!(daemon.get("/entries.json").status, 200);
}

#[test]
fn the_token_is_in_no_log() {
    let daemon = Daemon::start();
    let right = format!("Bearer {TOKEN}");
    assert_eq!(daemon.tcp().send("GET", "/entries.json", &[("authorization", &right)], b"").status, 200);
    super::until("the line", || daemon.line("path=/entries.json").is_some());
    assert_eq!(daemon.line("sesame"), None);
}

#[test]
fn files_are_the_daemons_and_the_groups_alone() {
    let daemon = Daemon::start();
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    // Files under other names come and go until then.
    let reader = daemon.reader();
    super::until("the publication", || super::published(&reader, "a").is_some());
    assert_eq!(mode(&daemon.path("map.redb")), 0o600);
    assert_eq!(mode(&daemon.path("map")), 0o750);
    for name in ["api.sock", "resolver.sock"] {
        assert_eq!(mode(&daemon.path(name)), 0o660, "{name}");
    }
    for file in std::fs::read_dir(daemon.path("map")).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o640, "{}", path.display());
    }
}

/// What a thread asks that has become this user, as whom it connects: on Linux credentials belong to threads (nptl(7)).
fn ask_as(uid: u32, daemon: &Daemon, path: &str, fields: &[(&str, &str)]) -> Answer {
    use rustix::process::{Gid, Uid};
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_gid(Gid::from_raw(uid)).unwrap();
            rustix::thread::set_thread_uid(Uid::from_raw(uid)).unwrap();
            daemon.client().send("GET", path, fields, b"")
        });
        asking.join().unwrap()
    })
}

#[test]
fn on_the_unix_socket_it_is_the_kernel_that_says_who_asks() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--allow-uid", "65533"]);
    // As members of the group may: here anybody can connect.
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(daemon.folder.path(), 0o755);
    open(&daemon.path("api.sock"), 0o666);
    let status = |uid, path, fields: &[_]| ask_as(uid, &daemon, path, fields).status;
    assert_eq!(status(65_534, "/healthz", &[]), 200);
    let refused = ask_as(65_534, &daemon, "/entries.json", &[]);
    assert_eq!(refused.status, 401);
    assert!(refused.error().contains("or use the unix socket as a user that is allowed"), "{refused:?}");
    let right = format!("Bearer {TOKEN}");
    assert_eq!(status(65_534, "/entries.json", &[("authorization", &right)]), 200);
    assert_eq!(status(65_533, "/entries.json", &[]), 200, "--allow-uid");
    assert_eq!(status(65_533, "/entries.json", &[("x-forwarded-for", "192.0.2.1")]), 401);
}

/// Only root can become somebody else; elsewhere there is nothing to be seen.
#[test]
fn privileges_are_dropped_for_good() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can drop privileges");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The parent is the test's; what the daemon makes in it is made below a folder of its own.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let own = folder.path().join("own");
    let path = |name: &str| own.join(name).to_str().unwrap().to_owned();
    let arguments =
        ["--user", "65533", "--group", "65532", "--store", &path("map.redb"), "--publish", &path("map")];
    let sockets = ["--socket", &path("api.sock"), "--resolver-socket", &path("resolver.sock")];
    let daemon = Daemon::start_with(folder, &[&arguments[..], &sockets[..]].concat());
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!((ids("Uid:"), ids("Gid:")), (vec![65_533; 4], vec![65_533; 4]));
    let mut groups = ids("Groups:");
    groups.sort_unstable();
    assert_eq!(groups, [65_532, 65_533]);
    for task in std::fs::read_dir(format!("/proc/{}/task", daemon.child.id())).unwrap() {
        let of_thread = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(of_thread.contains("Uid:\t65533\t65533\t65533\t65533"), "{of_thread}");
    }
    use std::os::unix::fs::MetadataExt;
    for name in ["own/map", "own/map/delta", "own/map/control", "own/api.sock", "own/resolver.sock"] {
        let found = std::fs::metadata(daemon.path(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (65_533, 65_532), "{name}");
    }
    let client = super::Client::Unix(daemon.path("own/api.sock"));
    assert_eq!(client.send("GET", "/entries.json", &[], b"").status, 200, "root needs no token");
}
