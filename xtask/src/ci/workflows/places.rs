//! What an expression may look at, by the place where it stands.

/// A place, with the contexts and the functions that there are only in some.
#[derive(Debug)]
pub(super) struct Place {
    /// How the way there begins; `*` is any key.
    at: &'static str,
    /// Separated by spaces.
    contexts: &'static str,
    functions: &'static str,
}

impl Place {
    /// The place of the text at `path`; what is in none takes no expression.
    pub(super) fn of(path: &[String]) -> &'static Place {
        PLACES.iter().find(|place| place.begins(path)).unwrap_or(&NOWHERE)
    }

    pub(super) fn has_context(&self, name: &str) -> bool {
        self.contexts.split(' ').any(|context| context == name)
    }

    /// `name` in small letters.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.split(' ').any(|function| function == name)
    }

    /// For messages.
    pub(super) fn contexts(&self) -> &str {
        if self.contexts.is_empty() { "none" } else { self.contexts }
    }

    fn begins(&self, path: &[String]) -> bool {
        let mut keys = path.iter();
        self.at.split('.').all(|wanted| keys.next().is_some_and(|key| wanted == "*" || wanted == key))
    }
}

static NOWHERE: Place = Place { at: "*", contexts: "", functions: "" };

const fn place(at: &'static str, contexts: &'static str, functions: &'static str) -> Place {
    Place { at, contexts, functions }
}

/// GitHub's table "Context availability"; of two that begin alike the longer one stands first.
#[rustfmt::skip]
static PLACES: [Place; 33] = [
    place("jobs.*.steps.*.if", "env github inputs job matrix needs runner steps strategy vars", "always cancelled failure hashfiles success"),
    place("jobs.*.steps.*.continue-on-error", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.env", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.name", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.run", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.timeout-minutes", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.with", IN_STEP, "hashfiles"),
    place("jobs.*.steps.*.working-directory", IN_STEP, "hashfiles"),
    place("jobs.*.outputs", IN_STEP, ""),
    place("jobs.*.container.credentials", "env github inputs matrix needs secrets strategy vars", ""),
    place("jobs.*.container.env", "env github inputs job matrix needs runner secrets strategy vars", ""),
    place("jobs.*.container", OF_JOB, ""),
    place("jobs.*.services.*.credentials", "env github inputs matrix needs secrets strategy vars", ""),
    place("jobs.*.services.*.env", "env github inputs job matrix needs runner secrets strategy vars", ""),
    place("jobs.*.services", OF_JOB, ""),
    place("jobs.*.environment.url", "env github inputs job matrix needs runner steps strategy vars", ""),
    place("jobs.*.environment", OF_JOB, ""),
    place("jobs.*.defaults.run", "env github inputs matrix needs strategy vars", ""),
    place("jobs.*.env", "github inputs matrix needs secrets strategy vars", ""),
    place("jobs.*.secrets", "github inputs matrix needs secrets strategy vars", ""),
    place("jobs.*.concurrency", OF_JOB, ""),
    place("jobs.*.continue-on-error", OF_JOB, ""),
    place("jobs.*.name", OF_JOB, ""),
    place("jobs.*.runs-on", OF_JOB, ""),
    place("jobs.*.timeout-minutes", OF_JOB, ""),
    place("jobs.*.with", OF_JOB, ""),
    place("jobs.*.strategy", "github inputs needs vars", ""),
    place("jobs.*.if", "github inputs needs vars", "always cancelled failure success"),
    place("on.workflow_call.inputs.*.default", "github inputs vars", ""),
    place("on.workflow_call.outputs.*.value", "github inputs jobs vars", ""),
    place("env", "github inputs secrets vars", ""),
    place("concurrency", "github inputs vars", ""),
    place("run-name", "github inputs vars", ""),
];

const IN_STEP: &str = "env github inputs job matrix needs runner secrets steps strategy vars";
const OF_JOB: &str = "github inputs matrix needs strategy vars";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> &'static Place {
        Place::of(&path.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_beginning_says_what_there_is() {
        assert!(of("jobs.a.steps.2.with.path").has_context("secrets"));
        assert!(!of("jobs.a.steps.2.if").has_context("secrets"));
        assert!(of("jobs.a.container.env.B").has_context("runner"));
        assert!(!of("jobs.a.container.image").has_context("runner"));
        assert!(of("jobs.a.if").has_function("always") && !of("jobs.a.if").has_function("hashfiles"));
        assert_eq!(of("jobs.a.needs.0").contexts(), "none");
        assert_eq!(of("on").contexts(), "none");
    }

    #[test]
    fn no_place_is_hidden_by_one_before_it() {
        for place in &PLACES {
            assert_eq!(of(&place.at.replace('*', "x")).at, place.at);
        }
    }
}
