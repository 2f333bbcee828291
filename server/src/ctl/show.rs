//! The server's answers for people. Pure.

use std::fmt::Write;

use super::latency::{count, quantile, time};
use super::table::{Column, paragraph, render};
use crate::admin::{HealthAnswer, PluginsAnswer, RefusedAnswer, ReloadAnswer};
use crate::plugins::{PluginState, VersionState};

/// A line for each version, and below what is wrong at this moment.
pub(super) fn plugins(answer: &PluginsAnswer) -> String {
    let versions =
        || answer.plugins.iter().flat_map(|plugin| plugin.versions.iter().map(move |one| (plugin, one)));
    if versions().next().is_none() && answer.missing_middlewares.is_empty() {
        return "no plugins are loaded; `dyn-serverctl refused` says which files are not used\n".to_owned();
    }
    let heading = [
        ("NAME", Column::Name),
        ("KIND", Column::Word),
        ("VERSION", Column::Name),
        ("STATE", Column::Word),
        ("CALLS", Column::Number),
        ("ERRORS", Column::Number),
        ("PANICS", Column::Number),
        ("P50", Column::Number),
        ("P99", Column::Number),
    ];
    let rows: Vec<_> = versions().map(|(plugin, version)| row(plugin, version)).collect();
    let mut text = render(heading, &rows);
    for (plugin, version) in versions() {
        if let Some(reason) = &version.unhealthy {
            let sentence = format!("{} {} is unhealthy: {reason}", plugin.name, version.version);
            paragraph(&mut text, 0, &printable(&sentence));
        }
    }
    for name in &answer.missing_middlewares {
        let sentence =
            format!("the middleware {name} is required and not there, so every request is refused");
        paragraph(&mut text, 0, &printable(&sentence));
    }
    text
}

fn row(plugin: &PluginState, version: &VersionState) -> [String; 9] {
    let calls = &version.calls;
    [
        printable(&plugin.name),
        plugin.kind.to_string(),
        printable(&version.version),
        version.standing.to_string(),
        count(calls.calls),
        count(calls.errors),
        count(calls.panics),
        time(quantile(&calls.histogram, 0.5)),
        time(quantile(&calls.histogram, 0.99)),
    ]
}

/// Each file with its reasons.
pub(super) fn refused(answer: &RefusedAnswer) -> String {
    if answer.refused.is_empty() {
        return "every file is used\n".to_owned();
    }
    let mut text = String::new();
    for refused in &answer.refused {
        // Paths are not broken: they are there to be copied. Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}", refused.kind, printable(&refused.path.to_string_lossy()));
        paragraph(&mut text, 2, &printable(&format!("{}: {}", refused.code, refused.reason)));
    }
    text
}

/// `healthy`, or what is wrong.
pub(super) fn health(answer: &HealthAnswer) -> String {
    if answer.healthy {
        return "healthy\n".to_owned();
    }
    let mut text = "not healthy:\n".to_owned();
    for problem in &answer.problems {
        paragraph(&mut text, 2, &printable(problem));
    }
    text
}

/// How many there are now.
pub(super) fn reload(answer: &ReloadAnswer) -> String {
    let ReloadAnswer { loaded, refused } = answer;
    let why = if *refused > 0 { "; `dyn-serverctl refused` says why" } else { "" };
    format!("loaded versions: {loaded}, refused: {refused}{why}\n")
}

/// Names and reasons come from files and plugins, and may not command the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() && letter != '\n' { '\u{fffd}' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::admin::tests::{plugin, refused as file, version};
    use crate::plugins::{CallsState, Family, Standing};

    #[test]
    fn every_version_is_a_line_of_at_most_80_columns() {
        let mut active = version("2.0.0", Standing::Active);
        active.unhealthy = Some("no database".to_owned());
        active.calls = CallsState {
            calls: 1_234_567,
            errors: 12,
            panics: 3,
            total_ns: 1,
            histogram: BTreeMap::from([(1024, 1_234_000), (1_048_576, 567_000)]),
        };
        let quarantined = version("1.10.0-rc.1+build.77", Standing::Quarantined);
        let long = PluginState {
            kind: Family::Middleware,
            ..plugin("a-middleware-with-a-long-name", vec![version("0.1.0", Standing::Active)])
        };
        let text = plugins(&PluginsAnswer {
            plugins: vec![plugin("headers", vec![active, quarantined]), long],
            missing_middlewares: vec!["auth".to_owned()],
        });
        let expected = "\
NAME           KIND       VERSION      STATE       CALLS ERRORS PANICS    P50    P99
";
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!(
            lines[1],
            ["headers", "handler", "2.0.0", "active", "1.23M", "12", "3", "1.02µs", "1.05ms"]
        );
        assert_eq!(lines[2][3..], ["quarantined", "0", "0", "0", "-", "-"]);
        assert_eq!(lines[3][1..3], ["middleware", "0.1.0"]);
        assert!(
            text.contains("\nheaders 2.0.0 is unhealthy: no database\nthe middleware auth is required"),
            "{text}"
        );
    }

    #[test]
    fn files_are_named_with_their_reasons() {
        let mut one = file("/plugins/handlers/old\u{1b}[2J.so", "abi.major");
        one.reason = "it has 2; this host has 1".to_owned();
        let text = refused(&RefusedAnswer { refused: vec![one] });
        assert_eq!(
            text,
            "handler /plugins/handlers/old\u{fffd}[2J.so\n  abi.major: it has 2; this host has 1\n"
        );
        assert_eq!(refused(&RefusedAnswer { refused: vec![] }), "every file is used\n");
    }

    #[test]
    fn problems_are_listed() {
        let answer = HealthAnswer { live: true, healthy: false, problems: vec!["one".into(), "two".into()] };
        assert_eq!(health(&answer), "not healthy:\n  one\n  two\n");
    }
}
