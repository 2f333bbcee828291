//! Which handler answers a path and a method. Pure: knows neither plugins nor HTTP libraries.

use std::collections::BTreeMap;

/// Routes, each with the methods of one target. A route that ends in `/` takes every path that begins with
/// it, the longest such route first; any other takes only itself.
#[derive(Debug)]
pub(crate) struct Router<T> {
    routes: BTreeMap<String, Route<T>>,
}

#[derive(Debug)]
struct Route<T> {
    /// Methods that the target names itself.
    methods: Vec<String>,
    target: T,
}

/// The answer to "who takes this request?".
#[derive(Debug)]
pub(crate) enum Match<'a, T> {
    Target {
        target: &'a T,
        /// The route it lies on.
        route: &'a str,
        /// The method it is to see: a handler that knows only GET answers a HEAD as if it were a GET, and
        /// the server leaves the body out.
        method: &'a str,
    },
    /// Something takes this path, but with other methods: these, as in the field `Allow`.
    OtherMethods(String),
    /// Nothing takes this path.
    Nothing,
}

impl<T> Router<T> {
    pub(crate) fn new() -> Self {
        Self { routes: BTreeMap::new() }
    }

    /// Lays `target` on a route.
    ///
    /// # Errors
    /// What lies there already; it stays, and `target` is given back.
    pub(crate) fn add(&mut self, route: &str, methods: Vec<String>, target: T) -> Result<(), (T, &T)> {
        if self.routes.contains_key(route) {
            return Err((target, &self.routes[route].target));
        }
        self.routes.insert(route.to_owned(), Route { methods, target });
        Ok(())
    }

    /// What lies on exactly this route.
    pub(crate) fn get(&self, route: &str) -> Option<&T> {
        self.routes.get(route).map(|route| &route.target)
    }

    /// All routes with what lies on them, in alphabetical order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.routes.iter().map(|(route, found)| (route.as_str(), &found.target))
    }

    pub(crate) fn find<'a>(&'a self, method: &'a str, path: &str) -> Match<'a, T> {
        let Some((route, found)) = self.routes.get_key_value(path).or_else(|| self.longest_prefix(path))
        else {
            return Match::Nothing;
        };
        let takes = |method: &str| found.methods.iter().any(|taken| taken == method);
        if takes(method) {
            Match::Target { target: &found.target, route, method }
        } else if method == "HEAD" && takes("GET") {
            Match::Target { target: &found.target, route, method: "GET" }
        } else {
            Match::OtherMethods(found.allow())
        }
    }

    fn longest_prefix(&self, path: &str) -> Option<(&String, &Route<T>)> {
        path.rmatch_indices('/').find_map(|(at, _)| self.routes.get_key_value(&path[..=at]))
    }
}

impl<T> Route<T> {
    /// RFC 9110, section 10.2.1.
    fn allow(&self) -> String {
        let mut methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        if methods.contains(&"GET") && !methods.contains(&"HEAD") {
            methods.push("HEAD");
        }
        methods.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router<&'static str> {
        let mut router = Router::new();
        for (route, methods, target) in [
            ("/ip", vec!["GET"], "ip"),
            ("/form", vec!["POST", "HEAD"], "form"),
            ("/files/", vec!["GET"], "files"),
            ("/files/private/", vec!["GET"], "private"),
        ] {
            router.add(route, methods.into_iter().map(str::to_owned).collect(), target).unwrap();
        }
        router
    }

    fn find(method: &str, path: &str) -> String {
        match router().find(method, path) {
            Match::Target { target, route, method } => format!("{method} {target} on {route}"),
            Match::OtherMethods(allow) => format!("allow {allow}"),
            Match::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn requests_find_their_target() {
        let cases = [
            ("GET", "/ip", "GET ip on /ip"),
            ("HEAD", "/ip", "GET ip on /ip"),
            ("POST", "/ip", "allow GET, HEAD"),
            ("get", "/ip", "allow GET, HEAD"),
            ("HEAD", "/form", "HEAD form on /form"),
            ("GET", "/form", "allow POST, HEAD"),
            ("GET", "/ip/", "nothing"),
            ("GET", "/ip/more", "nothing"),
            ("GET", "/files/", "GET files on /files/"),
            ("GET", "/files/a/b.txt", "GET files on /files/"),
            ("GET", "/files/private/b.txt", "GET private on /files/private/"),
            ("GET", "/files", "nothing"),
            ("GET", "", "nothing"),
            ("OPTIONS", "*", "nothing"),
        ];
        for (method, path, expected) in cases {
            assert_eq!(find(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_first_keeps_a_route() {
        let mut router = router();
        assert_eq!(router.add("/ip", vec!["POST".into()], "late"), Err(("late", &"ip")));
    }
}
