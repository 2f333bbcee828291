//! What the API says of itself.

use super::routes::ROUTES;

/// For programs: OpenAPI 3.1.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

const HEAD: &str = "\
The map from hosts to backends, as nginx uses it.

An entry: {\"host\": \"www.example.com\", \"backend\": \"192.0.2.1:80\"}
  host     a name, an address, *.example.com for all names below it, or * for all that nothing else is for
  backend  IPV4:PORT, [IPV6]:PORT or unix:/PATH; or a list of these, or of {\"address\": \"192.0.2.1:80\", \"weight\": 3}

Refusals are {\"error\": \"why\"}. All but what is marked `public` needs `Authorization: Bearer TOKEN`, or the unix socket and an
allowed user. A host in a path is percent-encoded: DELETE /entries/%2A.example.com.json

";

/// For people.
pub(super) fn text() -> String {
    ROUTES.iter().fold(HEAD.to_owned(), |text, route| {
        let public = if route.is_public { " (public)" } else { "" };
        text + &format!("{:<7}{:<22}{}{public}\n", route.method.as_str(), route.path, route.summary)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else_is() {
        let openapi: Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = openapi["paths"].as_object().unwrap();
        let documented: BTreeSet<(String, String, bool)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters").map(
                    |(method, operation)| {
                        // An empty list of requirements lifts that of all.
                        let is_public = operation["security"].as_array().is_some_and(Vec::is_empty);
                        (method.to_uppercase(), path.clone(), is_public)
                    },
                )
            })
            .collect();
        let served: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| (route.method.to_string(), route.path.to_owned(), route.is_public))
            .collect();
        assert_eq!(documented, served);
        let text = text();
        assert!(ROUTES.iter().all(|route| text.contains(route.path)));
    }
}
