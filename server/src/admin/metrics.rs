//! The state as Prometheus metrics. Pure.

use http_front::ServerState;
use http_front::metrics::{
    self, Durations, LabelPair, MetricFamily, counter, durations, gauge, label, of_server,
};

use crate::plugins::{PluginsState, Standing, VersionState};

/// Writes all metrics. `started` is when the process did, in seconds since 1970.
///
/// # Errors
/// If the encoder refuses a metric: none of these.
pub(super) fn write(plugins: &PluginsState, server: &ServerState, started: f64) -> Result<String, String> {
    let mut families = of_server(server, env!("CARGO_PKG_VERSION"), started);
    families.extend(of_plugins(plugins));
    families.push(of_refused(plugins));
    families.push(gauge(
        "dynlab_middlewares_missing",
        "Required middlewares that are not there; requests are refused until they are.",
        [(vec![], plugins.missing_middlewares.len() as f64)],
    ));
    metrics::write(families)
}

fn of_plugins(state: &PluginsState) -> Vec<MetricFamily> {
    let versions: Vec<(Vec<LabelPair>, &VersionState)> = state
        .plugins
        .iter()
        .flat_map(|plugin| plugin.versions.iter().map(move |version| (plugin, version)))
        .map(|(plugin, version)| {
            let labels = vec![
                label("kind", &plugin.kind.to_string()),
                label("plugin", &plugin.name),
                label("version", &version.version),
            ];
            (labels, version)
        })
        .collect();
    let each = |value: fn(&VersionState) -> u64| {
        versions.iter().map(move |(labels, version)| (labels.clone(), value(version)))
    };
    let standings = versions.iter().flat_map(|(labels, version)| {
        [Standing::Active, Standing::Standby, Standing::Quarantined].map(|standing| {
            let labels = [labels.clone(), vec![label("state", &standing.to_string())]].concat();
            (labels, f64::from(version.standing == standing))
        })
    });
    vec![
        counter(
            "dynlab_plugin_calls_total",
            "Calls of a version; of a middleware, before and after.",
            each(|version| version.calls.calls),
        ),
        counter(
            "dynlab_plugin_call_errors_total",
            "Calls that failed, panics among them.",
            each(|version| version.calls.errors),
        ),
        counter(
            "dynlab_plugin_call_panics_total",
            "Calls that panicked.",
            each(|version| version.calls.panics),
        ),
        durations(
            "dynlab_plugin_call_duration_seconds",
            "How long calls took.",
            versions.iter().map(|(labels, version)| {
                let calls = &version.calls;
                let took = Durations { buckets: &calls.histogram, total_nanoseconds: calls.total_ns };
                (labels.clone(), took)
            }),
        ),
        gauge("dynlab_plugin_state", "1 for the state that a version is in.", standings),
        gauge(
            "dynlab_plugin_healthy",
            "0 while a version says that it cannot do its work.",
            versions.iter().map(|(labels, version)| (labels.clone(), f64::from(version.unhealthy.is_none()))),
        ),
    ]
}

fn of_refused(state: &PluginsState) -> MetricFamily {
    let mut by_reason = std::collections::BTreeMap::<_, u32>::new();
    for refused in &state.refused {
        *by_reason.entry((refused.kind, refused.code.as_str())).or_default() += 1;
    }
    let samples = by_reason.into_iter().map(|((kind, code), count)| {
        (vec![label("kind", &kind.to_string()), label("code", code)], f64::from(count))
    });
    gauge("dynlab_plugins_refused", "Files and versions that are not used, by reason.", samples)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::admin::tests::{plugin, refused, version};
    use crate::plugins::CallsState;

    #[test]
    fn a_version_has_its_calls_its_state_and_its_latency() {
        let mut called = version("1.0.0", Standing::Active);
        called.calls = CallsState {
            calls: 6,
            errors: 2,
            panics: 1,
            total_ns: 20_000_000_500,
            histogram: BTreeMap::from([(64, 1), (80, 2), (128, 1), (160, 1), (u64::MAX, 1)]),
        };
        let state = PluginsState {
            plugins: vec![plugin("a", vec![called, version("0.9.0", Standing::Quarantined)])],
            refused: vec![refused("x.so", "abi.major"), refused("y.so", "abi.major")],
            missing_middlewares: vec!["auth".to_owned()],
        };
        let text = write(&state, &ServerState { responses: [0, 7, 0, 0, 1], ..ServerState::default() }, 12.5)
            .unwrap();
        let one = r#"{kind="handler",plugin="a",version="1.0.0""#;
        for line in [
            "# TYPE dynlab_plugin_calls_total counter".to_owned(),
            format!("dynlab_plugin_calls_total{one}}} 6"),
            format!("dynlab_plugin_call_errors_total{one}}} 2"),
            format!("dynlab_plugin_call_panics_total{one}}} 1"),
            "# TYPE dynlab_plugin_call_duration_seconds histogram".to_owned(),
            format!("dynlab_plugin_call_duration_seconds_bucket{one},le=\"0.000000064\"}} 1"),
            format!("dynlab_plugin_call_duration_seconds_bucket{one},le=\"0.000000128\"}} 4"),
            format!("dynlab_plugin_call_duration_seconds_bucket{one},le=\"0.000000256\"}} 5"),
            format!("dynlab_plugin_call_duration_seconds_bucket{one},le=\"17.179869184\"}} 5"),
            format!("dynlab_plugin_call_duration_seconds_bucket{one},le=\"+Inf\"}} 6"),
            format!("dynlab_plugin_call_duration_seconds_sum{one}}} 20.0000005"),
            format!("dynlab_plugin_call_duration_seconds_count{one}}} 6"),
            format!("dynlab_plugin_state{one},state=\"active\"}} 1"),
            format!("dynlab_plugin_state{one},state=\"quarantined\"}} 0"),
            r#"dynlab_plugin_state{kind="handler",plugin="a",version="0.9.0",state="quarantined"} 1"#
                .to_owned(),
            r#"dynlab_plugins_refused{kind="handler",code="abi.major"} 2"#.to_owned(),
            "dynlab_middlewares_missing 1".to_owned(),
            r#"dynlab_http_responses_total{status="2xx"} 7"#.to_owned(),
            "process_start_time_seconds 12.5".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in:\n{text}");
        }
    }

    #[test]
    fn a_server_without_plugins_has_metrics_too() {
        let text = write(&PluginsState::default(), &ServerState::default(), 0.0).unwrap();
        assert!(text.contains("dynlab_http_connections_open 0\n"), "{text}");
        assert!(!text.contains("dynlab_plugin_calls_total"), "{text}");
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let state = PluginsState {
            plugins: vec![plugin("a\"} 1\n\\", vec![version("1.0.0", Standing::Active)])],
            ..Default::default()
        };
        let text = write(&state, &ServerState::default(), 0.0).unwrap();
        assert!(text.contains(r#"plugin="a\"} 1\n\\",version="1.0.0"} 0"#), "{text}");
    }
}
