//! `--filter KEY=VALUE`

use api_spec::filters::Filters;

use super::Failure;

/// Reads the flags; `None` without any.
pub(super) fn parse(flags: &[String]) -> Result<Option<Filters>, Failure> {
    let mut filters = Filters::default();
    for flag in flags {
        let Some((key, value)) = flag.split_once('=') else {
            let text = format!("invalid argument {flag:?} for --filter: expected KEY=VALUE");
            return Err(Failure::Message(text));
        };
        filters.insert(key.trim().to_lowercase(), value.trim());
    }
    Ok((!flags.is_empty()).then_some(filters))
}
