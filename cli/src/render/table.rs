//! Columns aligned as the docker CLI aligns them.

/// The narrowest column and the space between two, in characters.
const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Lines of cells, each column as wide as its widest cell; the last cell of a line is not padded.
pub(crate) fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1);
        let widest = cells.map(|row| row[column].chars().count()).max().unwrap_or(0);
        (widest + PADDING).max(MIN_WIDTH)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                text.push_str(cell);
            } else {
                text.push_str(&format!("{cell:<width$}", width = widths[column]));
            }
        }
        text.push('\n');
    }
    text
}

/// At most `length` characters, the last one `…` if something was cut.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_dockers() {
        let rows = [["ID", "PORTS", "NAMES"], ["774a5d498f2e", "", "box"]]
            .map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(align(&rows), "ID             PORTS     NAMES\n774a5d498f2e             box\n");
        assert_eq!(align(&[]), "");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(ellipsis("sleep 3000", 20), "sleep 3000");
        assert_eq!(ellipsis("äöüß", 3), "äö…");
    }
}
