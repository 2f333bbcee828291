//! The language of expressions, read as far as to know what one looks at and calls (GitHub's reference "Expressions"). What it comes to is left to GitHub, so operators bind
//! alike here.

/// What an expression looks at and calls.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) contexts: Vec<Context>,
    /// Names in small letters.
    pub(super) functions: Vec<&'static str>,
}

/// A context, such as `needs.build.outputs`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// In small letters, since case does not matter; `*` for all members, and for one that only a run knows.
    pub(super) names: Vec<String>,
    /// Whether it is printed or compared, and not given to a function, or only asked whether it is there.
    pub(super) is_value: bool,
}

/// Functions by name in small letters, with the fewest and the most arguments.
const FUNCTIONS: [(&str, usize, usize); 13] = [
    ("always", 0, 0),
    ("cancelled", 0, 0),
    ("case", 3, usize::MAX),
    ("contains", 2, 2),
    ("endswith", 2, 2),
    ("failure", 0, 0),
    ("format", 1, usize::MAX),
    ("fromjson", 1, 1),
    ("hashfiles", 1, usize::MAX),
    ("join", 1, 2),
    ("startswith", 2, 2),
    ("success", 0, 0),
    ("tojson", 1, 1),
];

const OPERATORS: [&str; 8] = ["||", "&&", "==", "!=", "<=", ">=", "<", ">"];

/// Reads `text`, which has no braces around it.
///
/// # Errors
/// The first place that cannot be understood, an unknown function, or a wrong number of arguments.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut reader = Reader { rest: text, found: Expression::default() };
    reader.expression(true)?;
    if reader.rest.trim_start().is_empty() { Ok(reader.found) } else { reader.fail("an operator") }
}

struct Reader<'a> {
    rest: &'a str,
    found: Expression,
}

impl<'a> Reader<'a> {
    fn expression(&mut self, is_value: bool) -> Result<(), String> {
        self.operand(is_value)?;
        while OPERATORS.iter().any(|operator| self.take(operator)) {
            self.operand(is_value)?;
        }
        Ok(())
    }

    fn operand(&mut self, is_value: bool) -> Result<(), String> {
        if self.take("!") {
            return self.operand(false);
        }
        if self.take("(") {
            self.expression(is_value)?;
            self.expect(")")?;
            return self.members(&mut Vec::new());
        }
        let Some(name) = self.name() else { return self.literal() };
        if ["true", "false", "null"].contains(&name) {
            return Ok(());
        }
        if self.take("(") {
            self.call(name)?;
            return self.members(&mut Vec::new());
        }
        let mut names = vec![name.to_ascii_lowercase()];
        self.members(&mut names)?;
        self.found.contexts.push(Context { names, is_value });
        Ok(())
    }

    fn members(&mut self, names: &mut Vec<String>) -> Result<(), String> {
        loop {
            if self.take(".") {
                match self.name() {
                    Some(name) => names.push(name.to_ascii_lowercase()),
                    None if self.take("*") => names.push("*".to_owned()),
                    None => return self.fail("a name"),
                }
            } else if self.take("[") {
                let inside = self.rest.trim_start();
                if !self.take("*") {
                    self.expression(false)?;
                }
                let inside = inside[..inside.len() - self.rest.len()].trim();
                self.expect("]")?;
                let text = inside.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                names.push(text.filter(|text| !text.contains('\'')).unwrap_or("*").to_ascii_lowercase());
            } else {
                return Ok(());
            }
        }
    }

    fn call(&mut self, name: &str) -> Result<(), String> {
        let mut arguments = 0;
        if !self.take(")") {
            loop {
                self.expression(false)?;
                arguments += 1;
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let known = FUNCTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let Some((name, fewest, most)) = known else { return Err(format!("there is no function {name}")) };
        if arguments < *fewest || arguments > *most {
            return Err(format!("{name} with {arguments} arguments"));
        }
        self.found.functions.push(name);
        Ok(())
    }

    /// A text or a number.
    fn literal(&mut self) -> Result<(), String> {
        if self.take("'") {
            // A quote in a text is written twice.
            loop {
                let Some(end) = self.rest.find('\'') else {
                    self.rest = "";
                    return self.fail("'");
                };
                self.rest = &self.rest[end + 1..];
                if !self.rest.starts_with('\'') {
                    return Ok(());
                }
                self.rest = &self.rest[1..];
            }
        }
        let rest = self.rest.trim_start();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&letter);
        let (number, behind) = rest.split_at(rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()));
        let is_hex = number.strip_prefix("0x").is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok());
        if !is_hex && number.parse::<f64>().is_err() {
            return self.fail("a value");
        }
        self.rest = behind;
        Ok(())
    }

    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || ['_', '-'].contains(&letter);
        let (name, behind) = rest.split_at(rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()));
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return None;
        }
        self.rest = behind;
        Some(name)
    }

    fn take(&mut self, token: &str) -> bool {
        let behind = self.rest.trim_start().strip_prefix(token);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { self.fail(token) }
    }

    fn fail<T>(&self, wanted: &str) -> Result<T, String> {
        match self.rest.trim_start() {
            "" => Err(format!("it ends where {wanted} is to stand")),
            rest => Err(format!("{wanted} is to stand before `{rest}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contexts, with `!` behind those that are values, then functions.
    fn read(text: &str) -> String {
        let Expression { contexts, functions } =
            parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let shown = |context: &Context| {
            format!("{}{}", context.names.join("."), if context.is_value { "!" } else { "" })
        };
        let contexts: Vec<String> = contexts.iter().map(shown).collect();
        format!("{} {}", contexts.join(" "), functions.join(" ")).trim().to_owned()
    }

    #[test]
    fn what_an_expression_looks_at_and_calls() {
        for (text, expected) in [
            ("github.ref", "github.ref!"),
            ("  GitHub . Ref_Name ", "github.ref_name!"),
            ("a['B-c'].d", "a.b-c.d!"),
            ("a[0][b.c].*", "b.c a.*.*.*!"),
            ("a['it''s']", "a.*!"),
            ("!a && (b == 'x' || c != -1.5e3)", "a b! c!"),
            ("startsWith(a, 'b') && always()", "a startswith always"),
            ("fromJSON(a.b).c[d]", "a.b d fromjson"),
            ("contains(needs.*.result, format('{0}', 0xff))", "needs.*.result format contains"),
            ("matrix", "matrix!"),
            ("true == null", ""),
            ("'it''s }}'", ""),
            ("runner.a-b<=3", "runner.a-b!"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_told_by_its_place() {
        for (text, told) in [
            ("", "it ends where a value is to stand"),
            ("a ==", "it ends where a value is to stand"),
            ("a = 'b'", "an operator is to stand before `= 'b'`"),
            ("a b", "an operator is to stand before `b`"),
            ("\"a\"", "a value is to stand before `\"a\"`"),
            ("'a", "it ends where ' is to stand"),
            ("(a", "it ends where ) is to stand"),
            ("a[0", "it ends where ] is to stand"),
            ("a.", "it ends where a name is to stand"),
            ("a.'b'", "a name is to stand before `'b'`"),
            ("0xg", "a value is to stand before `0xg`"),
            ("hashfile('a')", "there is no function hashfile"),
            ("contains(a)", "contains with 1 arguments"),
            ("always(a)", "always with 1 arguments"),
            ("format()", "format with 0 arguments"),
        ] {
            assert_eq!(parse(text).unwrap_err(), told, "{text}");
        }
    }
}
