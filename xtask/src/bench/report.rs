//! What there is to say of a run: tables, plots and remarks, before anybody decides how they look. [`page`](super::page) writes them as Markdown,
//! [`html`](super::html) for a browser.

use bench_driver::WRK_COLUMNS;

use super::metric::{Metric, count, duration};
use super::plots;
use super::raw::{Comparison, Sample, Series, Subject, Suite};
use super::run::Run;
use super::statistics::{FEWEST_PAIRS, Ratio, Verdict, median};

/// An A/A interval that is wider than this, or reaches further from 1, marks its suite as noisy.
pub(crate) const NOISE_LIMIT: f64 = 0.05;

/// Metrics of a series, from the first, that most people come for, and that decide whether it is noisy.
const COMPARED: usize = 2;

/// How ratios come about, and what their intervals mean.
pub(crate) const METHOD: &str = "In each round every subject is started afresh, in turn, and measured once; the order moves on by one from round to round. A ratio is the \
     median of those within rounds, so what disturbs a whole round cancels out; its 95 % interval is bootstrapped over \
     rounds. Where that contains 1 there is no significant difference, whatever the medians look like. In the row A/A a subject stands against itself, measured \
     twice in each round: that is what the machine does without any cause.";

/// A part of a page. Texts are plain words, in which code stands between backticks.
#[derive(Debug)]
pub(crate) enum Part {
    /// Samples that do not count, and why.
    Failures(Vec<String>),
    /// Figures.
    Table(Table),
    /// A plot of [`plots::of_run`].
    Plot {
        /// Its file.
        name: String,
        /// What it shows, for those who do not see it.
        shows: String,
    },
}

/// A table with a name to each row.
#[derive(Debug)]
pub(crate) struct Table {
    /// What it shows.
    pub(crate) caption: String,
    /// What its columns are; the first is the rows' names.
    pub(crate) columns: Vec<Column>,
    /// Its rows, each with a cell for each column.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What stands above a column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Whether there are figures in it, which are aligned at the right.
    pub(crate) figures: bool,
}

/// What stands in a row.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cell {
    /// As people read it.
    pub(crate) text: String,
    /// As it is ordered; a text where there is none.
    pub(crate) value: Option<f64>,
}

impl Table {
    /// One without rows.
    pub(crate) fn new(caption: &str, words: &[&str]) -> Table {
        Table {
            caption: caption.to_owned(),
            columns: words.iter().map(|name| Column::words(name)).collect(),
            rows: Vec::new(),
        }
    }

    /// Rows that have words alone.
    pub(crate) fn add_words<const COLUMNS: usize>(&mut self, rows: impl Iterator<Item = [String; COLUMNS]>) {
        self.rows.extend(rows.map(|row| row.map(Cell::words).into()));
    }
}

impl Column {
    /// One of words.
    pub(crate) fn words(name: &str) -> Column {
        Column { name: name.to_owned(), figures: false }
    }

    /// One of figures.
    pub(crate) fn figures(name: impl Into<String>) -> Column {
        Column { name: name.into(), figures: true }
    }
}

impl Cell {
    /// Words.
    pub(crate) fn words(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), value: None }
    }

    /// A figure; an empty cell if there is none.
    pub(crate) fn figure(value: Option<f64>, show: impl Fn(f64) -> String) -> Cell {
        Cell { text: value.map_or_else(String::new, show), value }
    }
}

/// The subjects of a suite.
pub(crate) fn subjects(suite: &Suite) -> Table {
    let mut table = Table::new("", &["subject", "what it is", "started as"]);
    for subject in &suite.subjects {
        let command = format!("`{}`", subject.command.join(" "));
        table.rows.push([subject.name.clone(), subject.is.clone(), command].map(Cell::words).into());
    }
    table
}

/// All that there is to say of a series, in the order in which it is read.
pub(crate) fn of_series(suite: &Suite, series: &Series) -> Vec<Part> {
    let mut parts = Vec::new();
    let failures: Vec<String> = series
        .failures()
        .map(|(sample, why)| format!("{} in round {}: {why}", sample.subject, sample.round + 1))
        .collect();
    if !failures.is_empty() {
        parts.push(Part::Failures(failures));
    }
    parts.push(Part::Table(medians(suite, series)));
    if let Some(axis) = &series.axis {
        parts.extend(series.metrics.iter().map(|&metric| Part::Plot {
            name: plots::scaling_name(suite, series, metric),
            shows: format!("{} along {}, with 95 % intervals", metric.label(), axis.of),
        }));
    }
    parts.extend(ratios(suite, series).map(Part::Table));
    for &metric in &series.metrics {
        if plots::has_ratios(suite, series, metric) {
            let shows = format!("Ratios of {} with their intervals", metric.label());
            parts.push(Part::Plot { name: plots::ratios_name(suite, series, metric), shows });
        }
    }
    if let Some(columns) = percentile_columns(series) {
        parts.push(Part::Table(percentiles(suite, series, &columns)));
        let shows = "Latency by percentile".to_owned();
        parts.push(Part::Plot { name: plots::percentiles_name(suite, series), shows });
    }
    parts.extend(wrk_columns(suite, series).map(Part::Table));
    parts
}

/// What has to be known of `run` before anything else: a word, and what it means.
pub(crate) fn remarks(run: &Run) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    if run.environment.quick {
        remarks.push(("Quick", "made to prove that everything runs. Its figures mean nothing.".to_owned()));
    }
    if !run.environment.pinned {
        remarks.push(("Unpinned", "at least one image was not the one in its lock.".to_owned()));
    }
    let noisy: Vec<String> = run.suites.iter().flat_map(noisy).collect();
    if !noisy.is_empty() {
        let remark = format!(
            "the same program measured twice differs from itself by more than {:.0} % (the interval of its A/A row is wider, or reaches further from 1) in {}.",
            NOISE_LIMIT * 100.0,
            noisy.join(", ")
        );
        remarks.push(("Noisy", remark));
    }
    let few: Vec<&str> =
        run.suites.iter().filter(|suite| has_few_rounds(suite)).map(|suite| suite.name.as_str()).collect();
    if !few.is_empty() {
        let remark = format!(
            "fewer than {FEWEST_PAIRS} rounds are good in {}, so that nobody can tell a difference there from noise.",
            few.join(", ")
        );
        remarks.push(("Few rounds", remark));
    }
    remarks
}

/// How noisy a machine was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// An A/A interval is too wide.
    Noisy,
    /// None is.
    Quiet,
    /// At least one A/A row has too few rounds for an interval.
    Unknown,
}

/// How noisy the machine of `run` was.
pub(crate) fn noise(run: &Run) -> Noise {
    if run.suites.iter().any(|suite| !noisy(suite).is_empty()) {
        Noise::Noisy
    } else if run.suites.iter().any(has_few_rounds) {
        Noise::Unknown
    } else {
        Noise::Quiet
    }
}

/// Whether an A/A row of `suite` has no interval.
fn has_few_rounds(suite: &Suite) -> bool {
    let is_few = |series: &Series, comparison: &Comparison| {
        series.metrics.iter().take(COMPARED).any(|&metric| {
            series.has_ratio(comparison, metric) && series.pairs(comparison, metric).len() < FEWEST_PAIRS
        })
    };
    let noise = || suite.comparisons.iter().filter(|comparison| comparison.is_noise());
    suite.series.iter().any(|series| noise().any(|comparison| is_few(series, comparison)))
}

/// Where A/A intervals of `suite` are too wide: its name, that of the series, and the figures.
pub(crate) fn noisy(suite: &Suite) -> Vec<String> {
    let mut found = Vec::new();
    for series in &suite.series {
        let is_wide = |metric: &Metric| {
            suite.comparisons.iter().filter(|comparison| comparison.is_noise()).any(|comparison| {
                let interval = series.ratio(comparison, *metric).and_then(|ratio| ratio.interval);
                interval.is_some_and(|(low, high)| (high - low).max(high - 1.0).max(1.0 - low) > NOISE_LIMIT)
            })
        };
        let wide: Vec<&str> = series
            .metrics
            .iter()
            .take(COMPARED)
            .filter(|metric| is_wide(metric))
            .map(|metric| metric.label())
            .collect();
        if !wide.is_empty() {
            found.push(format!("{} {} ({})", suite.name, series.name, wide.join(", ")));
        }
    }
    found
}

/// The subjects that were measured in this way; one of which all samples failed is among them, with a row that is empty.
pub(crate) fn measured<'a>(suite: &'a Suite, series: &'a Series) -> impl Iterator<Item = &'a Subject> {
    let has_samples = |subject: &&Subject| series.samples.iter().any(|sample| sample.subject == subject.name);
    suite.subjects.iter().filter(has_samples)
}

fn medians(suite: &Suite, series: &Series) -> Table {
    let mut table = Table::new("Medians", &["subject"]);
    let axis = series.axis.as_ref();
    table.columns.extend(axis.map(|axis| Column::figures(axis.of.clone())));
    table.columns.push(Column::figures("samples"));
    table.columns.extend(series.metrics.iter().map(|metric| Column::figures(metric.label())));
    for subject in measured(suite, series) {
        let samples = series.samples_of(&subject.name, false).count();
        let mut row = vec![Cell::words(subject.name.clone())];
        row.extend(axis.map(|axis| Cell::figure(axis.place_of(&subject.name).map(|point| point.at), count)));
        row.push(Cell { text: samples.to_string(), value: Some(samples as f64) });
        row.extend(series.metrics.iter().map(|&metric| {
            Cell::figure(median(&series.values(&subject.name, metric)), |value| metric.show(value))
        }));
        table.rows.push(row);
    }
    table
}

/// `None` where nothing is compared.
fn ratios(suite: &Suite, series: &Series) -> Option<Table> {
    let mut table = Table::new("Ratios", &["of"]);
    table.columns.extend([
        Column::figures("rounds"),
        Column::words("what"),
        Column::figures("ratio (95 % interval)"),
        Column::words("that is"),
    ]);
    for comparison in &suite.comparisons {
        for &metric in &series.metrics {
            let Some(ratio) = series.ratio(comparison, metric) else { continue };
            table.rows.push(vec![
                Cell::words(comparison.label()),
                Cell { text: ratio.pairs.to_string(), value: Some(ratio.pairs as f64) },
                Cell::words(metric.label()),
                Cell { text: ratio.show(), value: Some(ratio.median) },
                Cell::words(says(comparison, metric, &ratio)),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The ratios that most people come for: each comparison in the first of a suite's ways to measure, by the metrics that come first there.
pub(crate) fn headlines(suite: &Suite) -> Vec<(&Comparison, Vec<(Metric, Ratio)>)> {
    let Some(series) = suite.series.first() else { return Vec::new() };
    let ratios = |comparison| {
        let metrics = series.metrics.iter().take(COMPARED);
        metrics.filter_map(|&metric| Some((metric, series.ratio(comparison, metric)?))).collect()
    };
    suite.comparisons.iter().map(|comparison| (comparison, ratios(comparison))).collect()
}

/// What a suite answers to its question, in words.
pub(crate) fn answers(suite: &Suite) -> Vec<String> {
    let is_answer =
        |(comparison, ratios): &(&Comparison, Vec<_>)| !comparison.is_noise() && !ratios.is_empty();
    let answer = |(comparison, ratios): (&Comparison, Vec<(Metric, Ratio)>)| {
        let words = ratios.iter().map(|(metric, ratio)| {
            format!("{} {}, {}", metric.label(), ratio.show(), says(comparison, *metric, ratio))
        });
        format!("`{}`: {}", comparison.label(), words.collect::<Vec<_>>().join("; "))
    };
    headlines(suite).into_iter().filter(is_answer).map(answer).collect()
}

/// A ratio in words.
pub(crate) fn says(comparison: &Comparison, metric: Metric, ratio: &Ratio) -> String {
    let better = match ratio.verdict() {
        Verdict::TooFew => return format!("fewer than {FEWEST_PAIRS} rounds: cannot tell"),
        Verdict::NoDifference => return "no significant difference".to_owned(),
        Verdict::More => metric.more_is_better(),
        Verdict::Less => !metric.more_is_better(),
    };
    if comparison.is_noise() {
        return "noise that looks like a difference".to_owned();
    }
    if better { "better" } else { "worse" }.to_owned()
}

fn percentiles(suite: &Suite, series: &Series, columns: &[f64]) -> Table {
    let mut table = Table::new("Latency by percentile, medians over samples", &["subject"]);
    table.columns.extend(columns.iter().map(|&percent| Column::figures(percent_name(percent))));
    for subject in measured(suite, series) {
        let figures =
            columns.iter().map(|&percent| Cell::figure(percentile(series, &subject.name, percent), duration));
        table.rows.push([Cell::words(subject.name.clone())].into_iter().chain(figures).collect());
    }
    table
}

/// The percentiles that the samples of `series` have.
pub(crate) fn percentile_columns(series: &Series) -> Option<Vec<f64>> {
    let sample = series.samples.iter().find(|sample| !sample.percentiles.is_empty())?;
    Some(sample.percentiles.iter().map(|(percent, _)| *percent).collect())
}

/// The median over all samples of `subject` of one percentile, in seconds.
pub(crate) fn percentile(series: &Series, subject: &str, percent: f64) -> Option<f64> {
    let of_sample = |sample: &Sample| {
        sample.percentiles.iter().find(|(found, _)| *found == percent).map(|(_, value)| *value)
    };
    median(&series.samples_of(subject, false).filter_map(of_sample).collect::<Vec<_>>())
}

/// `p99.9`, and `max` for all.
pub(crate) fn percent_name(percent: f64) -> String {
    if percent >= 100.0 { "max".to_owned() } else { format!("p{percent}") }
}

/// `None` where wrk was not asked.
fn wrk_columns(suite: &Suite, series: &Series) -> Option<Table> {
    if series.samples.iter().all(|sample| sample.wrk.is_empty()) {
        return None;
    }
    let caption = "What wrk says of its threads, as the original published it, medians over samples";
    let mut table = Table::new(caption, &["subject"]);
    table.columns.extend(WRK_COLUMNS.map(Column::figures));
    for subject in measured(suite, series) {
        let mut row = vec![Cell::words(subject.name.clone())];
        for (at, column) in WRK_COLUMNS.iter().enumerate() {
            let values: Vec<f64> = series
                .samples_of(&subject.name, false)
                .filter_map(|sample| sample.wrk.get(at).copied())
                .collect();
            row.push(Cell::figure(median(&values), |value| match column {
                column if column.contains('±') => format!("{value:.2} %"),
                column if column.starts_with("latency") => duration(value),
                _ => format!("{:.2}k", value / 1000.0),
            }));
        }
        table.rows.push(row);
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::sample;
    use super::*;

    #[test]
    fn who_is_not_measured_in_some_way_has_no_row_there() {
        let mut run = sample();
        run.suites[0].series[0].samples.retain(|sample| sample.subject == "plain");
        for part in of_series(&run.suites[0], &run.suites[0].series[0]) {
            let Part::Table(table) = part else { continue };
            let names: Vec<&str> = table.rows.iter().map(|row| row[0].text.as_str()).collect();
            assert!(!names.contains(&"busy") && !names.is_empty(), "{names:?}");
        }
    }

    #[test]
    fn along_an_axis_every_subject_has_its_place_and_every_metric_a_plot() {
        let suite = super::super::raw::tests::along_an_axis();
        let parts = of_series(&suite, &suite.series[0]);
        let [Part::Table(table), Part::Plot { name, shows }, Part::Plot { .. }] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!(table.columns[1].name, "plugins");
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{table:?}");
        let last = table.rows.last().unwrap();
        assert_eq!((last[0].text.as_str(), last[1].text.as_str()), ("steep-1000", "1,000"));
        assert_eq!(last[1].value, Some(1000.0));
        assert_eq!(name, "scale-plugins-scaling-cpu-per-request.svg");
        assert_eq!(shows, "CPU per request along plugins, with 95 % intervals");
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        let run = sample();
        let mut tables = vec![subjects(&run.suites[0])];
        for part in of_series(&run.suites[0], &run.suites[0].series[0]) {
            if let Part::Table(table) = part {
                tables.push(table);
            }
        }
        assert_eq!(tables.len(), 5);
        for table in tables {
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{table:?}");
        }
    }

    #[test]
    fn a_suite_answers_its_question_with_what_it_compares_first() {
        let answers = answers(&sample().suites[0]);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(answers[0].starts_with("`busy / plain`: CPU per request 1.1"), "{answers:?}");
    }

    #[test]
    fn few_rounds_are_not_called_quiet() {
        let mut run = sample();
        assert_eq!((remarks(&run).len(), noise(&run)), (0, Noise::Quiet));
        run.suites[0].series[0].samples.retain(|sample| sample.round < 5);
        assert_eq!((remarks(&run)[0].0, noise(&run)), ("Few rounds", Noise::Unknown));
    }

    #[test]
    fn a_noisy_machine_is_found() {
        let mut run = sample();
        assert!(noisy(&run.suites[0]).is_empty());
        for sample in run.suites[0].series[0].samples.iter_mut().filter(|sample| sample.again) {
            for value in sample.values.values_mut() {
                *value *= if sample.round % 2 == 0 { 1.2 } else { 0.9 };
            }
        }
        assert_eq!(noisy(&run.suites[0]), ["server saturation (CPU per request, requests/s)"]);
        assert_eq!((remarks(&run)[0].0, noise(&run)), ("Noisy", Noise::Noisy));
    }

    #[test]
    fn a_machine_that_always_errs_to_one_side_is_noisy_too() {
        let mut run = sample();
        for sample in run.suites[0].series[0].samples.iter_mut().filter(|sample| sample.again) {
            for value in sample.values.values_mut() {
                *value *= 1.1;
            }
        }
        assert!(!noisy(&run.suites[0]).is_empty());
    }
}
