//! Lists of things with named columns, in the four forms of `--format`: a table, a table of a
//! template's columns, JSON lines, a template a line.

use serde_json::{Map, Value};

use super::table;
use super::template::{Template, TemplateError};

/// A column: its name in templates and its heading.
pub(crate) type Column = (&'static str, &'static str);

/// Renders `rows`, objects with a member for each of `columns`, by `format`. Without one, `shown`
/// says which columns make the table.
///
/// # Errors
/// The template is wrong.
pub(crate) fn render(
    format: Option<&str>,
    columns: &[Column],
    shown: &[&str],
    rows: &[Map<String, Value>],
) -> Result<String, TemplateError> {
    match format.map(str::trim) {
        None | Some("" | "table") => {
            let fields: Vec<String> = shown.iter().map(|name| format!("{{{{.{name}}}}}")).collect();
            as_table(&fields.join("\t"), columns, rows)
        }
        Some("json") => {
            let lines =
                rows.iter().map(|row| Template::parse("{{json .}}\n")?.render(&row.clone().into()));
            lines.collect()
        }
        Some(format) => match format.strip_prefix("table ") {
            Some(template) => as_table(template, columns, rows),
            None => {
                let template = Template::parse(format)?;
                let mut text = String::new();
                for row in rows {
                    text.push_str(&template.render(&row.clone().into())?);
                    text.push('\n');
                }
                Ok(text)
            }
        },
    }
}

fn as_table(
    template: &str,
    columns: &[Column],
    rows: &[Map<String, Value>],
) -> Result<String, TemplateError> {
    let template = Template::parse(template)?;
    let headings: Map<String, Value> =
        columns.iter().map(|(name, heading)| ((*name).to_owned(), (*heading).into())).collect();
    let mut lines = Vec::new();
    for row in std::iter::once(&headings).chain(rows) {
        let line = template.render(&row.clone().into())?;
        lines.push(line.split('\t').map(str::to_owned).collect());
    }
    Ok(table::align(&lines))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 2] = [("ID", "CONTAINER ID"), ("Names", "NAMES")];

    fn rendered(format: Option<&str>) -> String {
        let Value::Object(row) = json!({"ID": "f3e7d1c6b5e1", "Names": "box"}) else { panic!() };
        render(format, &COLUMNS, &["ID", "Names"], &[row]).unwrap()
    }

    #[test]
    fn the_four_forms() {
        let table = "CONTAINER ID   NAMES\nf3e7d1c6b5e1   box\n";
        assert_eq!(rendered(None), table);
        assert_eq!(rendered(Some("table {{.ID}}\\t{{.Names}}")), table);
        assert_eq!(rendered(Some("{{.Names}}!")), "box!\n");
        assert_eq!(rendered(Some("json")), "{\"ID\":\"f3e7d1c6b5e1\",\"Names\":\"box\"}\n");
    }
}
