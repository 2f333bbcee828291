//! Which responses may be compressed, and which are worth it.

use crate::accept::trimmed;
use crate::settings::Policy;
use plugin_sdk::Answer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suitable {
    /// It may be and is worth it.
    Yes,
    /// It may be, and is not worth it unless the client takes nothing else.
    IfItMust,
    /// It has no body, and says what holds for one that might have been compressed.
    WouldHaveBeen,
    /// It may not be.
    Never,
}

/// Fields that describe the bytes as they are, or say that these have been chosen already.
const BOUND_TO_THE_BYTES: [&str; 5] =
    ["content-encoding", "content-range", "content-digest", "repr-digest", "digest"];

impl Suitable {
    pub(crate) fn judge(policy: &Policy, answer: &Answer<'_>) -> Suitable {
        let content_type = answer.header("content-type");
        let is_worth_it = content_type.map(|content_type| policy.types.contain(content_type));
        match answer.status() {
            // Has the fields that 200 would have had, `vary` among them (RFC 9110, section 15.4.5), but not all.
            304 if is_worth_it.unwrap_or(true) => return Suitable::WouldHaveBeen,
            // No content, or a part of it.
            204 | 205 | 206 | 304 => return Suitable::Never,
            _ => {}
        }
        if BOUND_TO_THE_BYTES.iter().any(|name| answer.header(name).is_some()) || forbids_transforming(answer)
        {
            return Suitable::Never;
        }
        match answer.body().len() {
            0 => Suitable::Never,
            length if length > *policy.sizes.end() => Suitable::Never,
            length if length < *policy.sizes.start() => Suitable::IfItMust,
            _ if is_worth_it == Some(true) => Suitable::Yes,
            _ => Suitable::IfItMust,
        }
    }
}

/// RFC 9111, section 5.2.2.6.
fn forbids_transforming(answer: &Answer<'_>) -> bool {
    let mut directives = answer
        .headers()
        .filter(|(name, _)| *name == b"cache-control")
        .flat_map(|(_, value)| value.split(|byte| *byte == b','));
    directives.any(|directive| trimmed(directive).eq_ignore_ascii_case(b"no-transform"))
}
