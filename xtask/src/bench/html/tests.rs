//! The page is read as XML, which is stricter than any browser, and its structure looked at.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};

use super::super::run::tests::sample;
use super::*;

/// Three runs, the newest of which differs and is of another target.
fn runs() -> Vec<Run> {
    let mut runs = vec![sample(), sample(), sample()];
    runs[1].environment.date = "2026-02-01".into();
    runs[2].environment.date = "2026-02-02".into();
    runs[2].environment.target = "x86_64-unknown-linux-musl".into();
    runs[2].suites[0].question = "Is a < b && b > c, or `\"a\"`?".into();
    for sample in &mut runs[2].suites[0].series[0].samples {
        for value in sample.values.values_mut() {
            *value *= 1.3;
        }
    }
    runs
}

fn with_page(runs: &[Run], look: impl FnOnce(&Document<'_>)) {
    let page = render(runs);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(&page, options).unwrap_or_else(|error| panic!("{error}\n{page}"));
    look(&document);
}

fn all<'a>(document: &'a Document<'a>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.tag_name().name() == tag)
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|part| part.text()).collect()
}

#[test]
fn every_table_says_what_it_and_its_rows_and_columns_are() {
    with_page(&runs(), |page| {
        assert!(all(page, "table").count() > 10);
        for table in all(page, "table") {
            let caption = table.first_element_child().unwrap();
            assert!(caption.has_tag_name("caption") && !text(caption).is_empty());
            let heads = table.descendants().filter(|node| node.attribute("scope") == Some("col")).count();
            for row in table
                .children()
                .filter(|node| node.has_tag_name("tbody"))
                .flat_map(|body| body.children().filter(Node::is_element))
            {
                let cells: Vec<_> = row.children().filter(Node::is_element).collect();
                assert_eq!(
                    (cells.len(), cells[0].attribute("scope")),
                    (heads, Some("row")),
                    "{}",
                    text(caption)
                );
            }
        }
    });
}

#[test]
fn nothing_comes_from_a_network_and_every_link_leads_somewhere() {
    with_page(&runs(), |page| {
        // Whatever the script does, a browser then loads nothing.
        let policy = page.descendants().find(|node| node.attribute("http-equiv") == Some("Content-Security-Policy"));
        assert_eq!(policy.and_then(|policy| policy.attribute("content")), Some(POLICY));
        assert!(POLICY.starts_with("default-src 'none'; ") && !POLICY.contains(':') && !POLICY.contains("self"));
        let ids: Vec<&str> = page.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id is there twice: {ids:?}");
        for node in page.descendants() {
            assert_eq!(node.attribute("src"), None);
            if let Some(link) = node.attribute("href") {
                let known = link.strip_prefix('#').map_or(link.starts_with("runs/"), |id| ids.contains(&id));
                assert!(known, "{link}");
            }
            if let Some(id) = node.attribute("for") {
                assert!(ids.contains(&id), "{id}");
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    });
}

#[test]
fn what_was_measured_is_shown_as_it_is() {
    with_page(&runs(), |page| {
        let questions: Vec<String> = all(page, "p").map(text).collect();
        assert!(questions.contains(&"Is a < b && b > c, or \"a\"?".to_owned()));
        assert!(all(page, "code").any(|code| text(code) == "\"a\""));
        let heads: Vec<String> = all(page, "h2").map(text).collect();
        // The newest of each target, and no other.
        assert_eq!(heads.iter().filter(|head| head.starts_with("2026-")).count(), 2, "{heads:?}");
        let plots: Vec<String> =
            all(page, "svg").map(|svg| text(svg.first_element_child().unwrap())).collect();
        assert_eq!(plots.len(), 6, "{plots:?}");
        assert!(all(page, "svg").all(|svg| !svg.descendants().any(|node| node.has_tag_name("style"))));
    });
}

#[test]
fn pairs_say_what_the_terminal_says() {
    let runs = runs();
    with_page(&runs, |page| {
        let script = page.descendants().find(|node| node.attribute("id") == Some("pairs")).unwrap();
        let data: serde_json::Value = serde_json::from_str(&text(script)).unwrap();
        assert_eq!((data["runs"].as_array().unwrap().len(), data["pairs"].as_array().unwrap().len()), (3, 3));
        let pair = data["pairs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|pair| pair["old"] == 0 && pair["new"] == 2)
            .unwrap();
        let terminal = crate::bench::terminal::comparison(&runs[0], &runs[2]);
        let word = |at: &serde_json::Value| {
            data["words"][at.as_u64().unwrap() as usize].as_str().unwrap().to_owned()
        };
        for row in pair["rows"].as_array().unwrap() {
            let line = format!("{}, {}", word(&row[0]), word(&row[2]));
            let line = terminal.lines().find(|shown| shown.contains(&line)).unwrap();
            assert!(line.contains(row[4].as_str().unwrap()) && line.contains(&word(&row[6])), "{line} {row}");
        }
        // The pair that is shown without the script is in the table.
        let chosen = all(page, "option").filter(|option| option.attribute("selected").is_some()).map(text);
        assert_eq!(
            chosen.collect::<Vec<_>>(),
            [runs[1].environment.run_name(), runs[2].environment.run_name()]
        );
    });
}

#[test]
fn one_run_is_compared_with_nothing() {
    with_page(&runs()[..1], |page| assert_eq!(all(page, "form").count(), 0));
}

#[test]
fn plots_are_well_formed() {
    for (name, plot) in plots::of_run(&sample()) {
        Document::parse(&plot).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The script's own decisions, run by the engine that is at hand.
#[test]
fn the_script_orders_as_people_expect() {
    const CHECKS: &str = r#"
const assert = require("node:assert");
const shown = (text, value) => ({ textContent: text, dataset: value === undefined ? {} : { value } });
assert.deepStrictEqual(ordered([3, 1, null, 2, 1], false), [1, 4, 3, 0, 2]);
assert.deepStrictEqual(ordered([3, 1, null, 2, 1], true), [0, 3, 1, 4, 2]);
assert.deepStrictEqual(ordered(["workers-16", "workers-2", null, "Bare"], false), [3, 1, 0, 2]);
assert.strictEqual(key(shown("9.40 \u00b5s", "0.0000094")), 0.0000094);
assert.strictEqual(key(shown(" met ")), "met");
assert.strictEqual(key(shown("")), null);
const run = (kernel) => ({ facts: [["kernel", kernel], ["target", "t"]] });
assert.strictEqual(differ(run("6.18"), run("6.19")), "They differ in: kernel (6.18; 6.19).");
assert.strictEqual(differ(run("6.18"), run("6.18")), "Nothing is said to differ in machine and inputs.");
"#;
    let script = format!("{SCRIPT}\n{CHECKS}");
    let output = match std::process::Command::new("node").args(["-e", &script]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: node is not installed, so nothing runs the page's script");
            return;
        }
        Err(error) => panic!("node: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
