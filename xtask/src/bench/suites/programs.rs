//! Programs that several suites start: nginx and others from the images of peers.

use bench_driver::{Ask, Hosts, Program, Protocol, TextFile};

use crate::bench::bed::Bed;

pub(super) const NGINX: &str = "peer-nginx";
pub(super) const EPOLL: &str = "peer-epoll";
pub(super) const GO: &str = "peer-go";

/// Where all servers listen that are measured.
pub(super) const PORT: &str = "8080";

/// `GET path` of the server that is measured.
pub(super) fn ask(path: &str, content_type: &str, body: &str) -> Ask {
    Ask {
        address: ([127, 0, 0, 1], 8080).into(),
        path: path.to_owned(),
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        protocol: Protocol::Http,
        hosts: None,
    }
}

/// What the handler `ip` and all its peers are asked.
pub(super) fn ask_ip() -> Ask {
    ask("/ip", "application/json", r#"{"ip": "127.0.0.1"}"#)
}

/// The same for one of many hosts.
pub(super) fn ask_ip_of(hosts: Hosts) -> Ask {
    Ask { hosts: Some(hosts), ..ask_ip() }
}

/// nginx with directives outside any block, and in `http`; a worker for each core of servers.
pub(super) fn nginx(bed: &Bed<'_>, main: &str, http: &str) -> Program {
    nginx_for(bed, 4096, main, http)
}

/// The same with so many connections for each worker.
pub(super) fn nginx_for(bed: &Bed<'_>, connections: usize, main: &str, http: &str) -> Program {
    const CONFIG: &str = "/tmp/nginx/nginx.conf";
    let text = configuration(bed.server_cores.len(), connections, main, http);
    let texts = vec![TextFile { path: CONFIG.to_owned(), text }];
    let arguments = ["-e", "stderr", "-p", "/tmp/nginx", "-c", CONFIG].map(str::to_owned);
    Program { texts, ..peer(bed, NGINX, "usr/sbin/nginx", &arguments) }
}

fn configuration(workers: usize, connections: usize, main: &str, http: &str) -> String {
    format!(
        "user root; daemon off; pid /tmp/nginx/pid; error_log stderr error; worker_processes {workers};\n\
         {main}\
         events {{ worker_connections {connections}; }}\n\
         http {{\n\
         access_log off; keepalive_requests 1000000000;\n\
         client_body_temp_path /tmp/nginx/1; proxy_temp_path /tmp/nginx/2; fastcgi_temp_path /tmp/nginx/3;\n\
         uwsgi_temp_path /tmp/nginx/4; scgi_temp_path /tmp/nginx/5;\n\
         {http}\
         }}\n"
    )
}

/// A program of a peer's image, with the libraries of that image.
pub(super) fn peer(bed: &Bed<'_>, image: &str, program: &str, arguments: &[String]) -> Program {
    let mut argv = vec![bed.peer(image, program)];
    argv.extend_from_slice(arguments);
    Program { argv, env: [libraries(bed, image)].into(), ..foreground() }
}

/// The variable that has a peer's program find the libraries of its own image.
pub(super) fn libraries(bed: &Bed<'_>, image: &str) -> (String, String) {
    let folder = bed.peer(image, &format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    ("LD_LIBRARY_PATH".to_owned(), folder)
}

/// A server that answers soon.
pub(super) fn foreground() -> Program {
    Program { patience_seconds: 20.0, ..Program::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_where_they_belong() {
        let text = configuration(3, 4096, "load_module a.so;\n", "server { }\n");
        let at = |part: &str| text.find(part).unwrap();
        assert!(at("worker_processes 3;") < at("load_module a.so;"), "{text}");
        assert!(text.contains("events { worker_connections 4096; }"), "{text}");
        assert!(at("load_module a.so;") < at("http {") && at("http {") < at("server { }"), "{text}");
    }
}
