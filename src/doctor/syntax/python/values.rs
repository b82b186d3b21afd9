//! What an expression comes to, as far as the file itself decides it.

use super::{Expression, File, Value};

/// So far are names followed.
const FURTHEST: usize = 8;

/// A text and how well it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The text. Where parts come from elsewhere it has `{}` or `%s` for them.
    pub text: String,
    /// It is the whole text, and nothing outside of the file can change it.
    pub sure: bool,
}

impl Known {
    fn unsure(self) -> Self {
        Self { sure: false, ..self }
    }
}

impl File {
    /// The text that `expression` comes to.
    pub fn text_of(&self, expression: &Expression) -> Option<Known> {
        self.evaluate(expression, FURTHEST)
    }

    /// The expression behind a name: what its only assignment gives it.
    pub fn behind<'a>(&'a self, expression: &'a Expression) -> &'a Expression {
        let mut found = expression;
        for _ in 0..FURTHEST {
            let Value::Name(name) = &found.value else { break };
            let Some(value) = self.assigned(name) else { break };
            found = value;
        }
        found
    }

    /// What the only assignment of `name` gives it.
    pub fn assigned(&self, name: &str) -> Option<&Expression> {
        let mut given = self.statements.iter().filter(|s| s.target.as_deref() == Some(name)).map(|s| &s.value);
        given.next().filter(|_| given.next().is_none())
    }

    /// Whether it is the name `None`.
    pub fn is_none(&self, expression: &Expression) -> bool {
        matches!(&expression.value, Value::Name(name) if name == "None")
    }

    /// The full name that it comes to: `ssl.CERT_NONE`.
    pub fn name_of(&self, expression: &Expression) -> Option<String> {
        match &self.behind(expression).value {
            Value::Name(name) => Some(self.resolved(name)),
            _ => None,
        }
    }

    fn evaluate(&self, expression: &Expression, further: usize) -> Option<Known> {
        let further = further.checked_sub(1)?;
        match &expression.value {
            Value::Text(text, sure) => Some(Known { text: text.clone(), sure: *sure }),
            Value::Number(number) => Some(Known { text: number.clone(), sure: true }),
            Value::Name(name) => self.evaluate(self.assigned(name)?, further),
            Value::Call(call) => match call.name.as_str() {
                "os.environ.get" | "os.getenv" => {
                    self.evaluate(call.argument_at(1, "default")?, further).map(Known::unsure)
                }
                "os.path.join" | "pathlib.Path" | "os.fspath" | "os.path.abspath" | "os.path.expanduser" => {
                    self.joined(&call.positional, further)
                }
                "str" | "int" => self.evaluate(call.positional.first()?, further),
                "().format" => self.evaluate(call.receiver.as_ref()?, further).map(Known::unsure),
                _ => None,
            },
            Value::Operation(op, operands) => match op.as_str() {
                "+" => self.added(operands, further),
                "/" => self.joined(operands, further),
                "%" => self.evaluate(operands.first()?, further).map(Known::unsure),
                "or" => self.evaluate(operands.last()?, further).map(Known::unsure),
                _ => None,
            },
            _ => None,
        }
    }

    fn added(&self, operands: &[Expression], further: usize) -> Option<Known> {
        let mut whole = Known { text: String::new(), sure: true };
        for operand in operands {
            let part = self.evaluate(operand, further).unwrap_or(Known { text: "{}".to_owned(), sure: false });
            whole.text += &part.text;
            whole.sure &= part.sure;
        }
        Some(whole)
    }

    /// A path; a part that is not known is left out, so that the end of the path remains.
    fn joined(&self, operands: &[Expression], further: usize) -> Option<Known> {
        let parts: Vec<_> = operands.iter().map(|operand| self.evaluate(operand, further)).collect();
        let known = |part: &Option<Known>| part.as_ref().is_some_and(|known| known.sure);
        let sure = parts.iter().all(known);
        let last = parts.last()?.as_ref()?.text.clone();
        let before = parts.into_iter().rev().skip(1).map_while(|part| part);
        let text = before.fold(last, |path, part| format!("{}/{path}", part.text.trim_end_matches('/')));
        Some(Known { text, sure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str, name: &str) -> Option<(String, bool)> {
        let head = "import os\nimport celery\nfrom pathlib import Path\n";
        let file = File::recognise(&format!("{head}{text}")).expect("Python");
        let value = file.assigned(name).expect("one assignment");
        file.text_of(value).map(|known| (known.text, known.sure))
    }

    #[test]
    fn a_text_is_followed_through_names_and_calls() {
        let sure = |text: &str| Some((text.to_owned(), true));
        let unsure = |text: &str| Some((text.to_owned(), false));
        assert_eq!(known("x = 'a' \"b\" \\\n  'c'\n", "x"), sure("abc"));
        assert_eq!(known("B = 'certs'\nx = os.path.join(B, 'ca.pem')\n", "x"), sure("certs/ca.pem"));
        assert_eq!(known("x = os.path.join(BASE, 'certs', 'ca.pem')\n", "x"), unsure("certs/ca.pem"));
        assert_eq!(known("x = Path(__file__).parent / 'certs' / 'ca.pem'\n", "x"), unsure("certs/ca.pem"));
        assert_eq!(known("H = os.environ.get('H', 'mq')\nx = H\n", "x"), unsure("mq"));
        assert_eq!(known("x = int(os.getenv('P', '5671'))\n", "x"), unsure("5671"));
        assert_eq!(known("x = 'amqps://{}:{}/'.format(h, p)\n", "x"), unsure("amqps://{}:{}/"));
        assert_eq!(known("x = f'amqps://{h or \"b\"}:5671/{{v}}'\n", "x"), unsure("amqps://{}:5671/{v}"));
        assert_eq!(known("x = 'amqps://' + host + ':5671'\n", "x"), unsure("amqps://{}:5671"));
        assert_eq!(known("x = f'amqps://rabbitmq:5671/v'\n", "x"), sure("amqps://rabbitmq:5671/v"));
        assert_eq!(known("x = os.environ['H']\n", "x"), None);
        assert_eq!(known("x = x\n", "x"), None);
        assert_eq!(known("H = 'a'\nH = 'b'\nx = H\n", "x"), None);
    }
}
