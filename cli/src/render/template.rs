//! `--format`: a small part of Go's text/template over JSON values.
//!
//! ```text
//! {{.Name}}  {{.State.Status}}  {{json .Config}}  {{join .Names ", "}}  {{.Name | upper}}
//! {{range .Mounts}}{{.Source}} {{end}}  {{range $key, $value := .Labels}}{{$key}} {{end}}
//! {{if .Running}}up{{else}}down{{end}}  {{index .Labels "a.b"}}  {{len .Args}}  {{eq .A "b"}}
//! ```

use serde_json::Value;

mod evaluate;
mod parse;

/// Deepest nesting of blocks and parentheses that is accepted.
const DEPTH_LIMIT: usize = 32;

/// A template that could not be read or does not fit the data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template parsing error: {0}")]
pub(crate) struct TemplateError(String);

/// A template, ready to be filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Value(Expression),
    /// Names of key and value variables, the list, what is done for each, and for none.
    Range(Vec<String>, Expression, Vec<Node>, Vec<Node>),
    If(Expression, Vec<Node>, Vec<Node>),
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    /// `$name` or, without a name, `.`; then the fields.
    Path(Option<String>, Vec<String>),
    Literal(Value),
    Call(String, Vec<Expression>),
}

impl Template {
    /// Reads a template. `\t` and `\n` stand for tab and new line outside of `{{…}}`.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text).map(|nodes| Self { nodes })
    }

    /// Fills in `data`, which is `.` and `$`.
    pub(crate) fn render(&self, data: &Value) -> Result<String, TemplateError> {
        evaluate::render(&self.nodes, data)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(template: &str, data: &Value) -> Result<String, TemplateError> {
        Template::parse(template)?.render(data)
    }

    #[test]
    fn values_read_as_in_go() {
        let data = json!({"Name": "/box", "State": {"Running": true, "Pid": 7}, "Cmd": ["a", "b"],
            "Labels": {"b": "2", "a": "1"}, "Nothing": null, "Html": "<&>"});
        let cases = [
            ("{{.Name}} {{ .State.Running }}\\t{{.State.Pid}}", "/box true\t7"),
            ("{{.Cmd}} {{.Labels}} {{.Nothing}}", "[a b] map[a:1 b:2] <no value>"),
            ("{{json .Cmd}} {{json .Html}}", r#"["a","b"] "\u003c\u0026\u003e""#),
            ("{{join .Cmd \", \"}} {{len .Cmd}} {{.Name | upper}}", "a, b 2 /BOX"),
            ("{{range .Cmd}}<{{.}}>{{end}}{{range .Nothing}}x{{else}}none{{end}}", "<a><b>none"),
            ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
            ("{{range .Cmd}}{{$.Name}}{{end}}", "/box/box"),
            ("{{if .State.Running}}up{{else}}down{{end}}{{if not .Cmd}}x{{end}}", "up"),
            ("{{if eq .Name \"/box\" \"y\"}}1{{else if .Cmd}}2{{end}}", "1"),
            ("{{index .Labels \"a\"}}{{index .Cmd 1}}{{println \"x\" 1}}", "1bx 1\n"),
            ("{{(index .Cmd 0) | printf \"%s-%v\" \"x\"}}", "x-a"),
            ("a {{- .Name -}} b", "a/boxb"),
            (
                "{{slice .Name 1}}{{lower \"ABC\"}}{{title \"abc\"}}{{split \"a,b\" \",\"}}",
                "boxabcAbc[a b]",
            ),
        ];
        for (template, expected) in cases {
            assert_eq!(render(template, &data).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let data = json!({"A": {"B": 1}});
        for bad in [
            "{{.C}}",
            "{{.A.C}}",
            "{{.A.B.C}}",
            "{{",
            "{{.A",
            "{{nope .A}}",
            "{{end}}",
            "{{range .A}}",
            "{{if}}{{end}}",
            "{{(.A}}",
            "{{.A \"x}}",
            "{{else}}",
            "{{range 1}}{{end}}",
            "{{}}",
            "{{len}}",
            "{{$x}}",
        ] {
            assert!(render(bad, &data).is_err(), "{bad}");
        }
        let deep = format!("{}1{}", "{{if 1}}".repeat(100), "{{end}}".repeat(100));
        assert!(render(&deep, &data).is_err());
        assert!(
            render(&format!("{{{{{}1{}}}}}", "(".repeat(100), ")".repeat(100)), &data).is_err()
        );
    }
}
