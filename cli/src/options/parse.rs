//! Small syntaxes that several flags share.

use std::collections::BTreeMap;

use super::OptionsError;
use crate::render::size;

/// Largest file of variables or labels that is read, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// The lines of files, without comments and empty ones.
pub(super) fn files(flag: &'static str, paths: &[String]) -> Result<Vec<String>, OptionsError> {
    let mut lines = Vec::new();
    for path in paths {
        let failed = |source| OptionsError::File { flag, path: path.clone(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > FILE_LIMIT {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let text = text.trim_start_matches('\u{feff}');
        let meaning = text.lines().map(str::trim_start);
        lines.extend(
            meaning.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned),
        );
    }
    Ok(lines)
}

/// Variables from files, then from flags. A name alone takes this process's value, if it has one.
pub(crate) fn environment(flags: &[String], paths: &[String]) -> Result<Vec<String>, OptionsError> {
    let mut variables = files("--env-file", paths)?;
    variables.extend(flags.iter().cloned());
    let mut environment = Vec::with_capacity(variables.len());
    for variable in variables {
        match variable.split_once('=') {
            Some(("", _)) => {
                return Err(OptionsError::invalid("--env", variable, "no variable name"));
            }
            Some(_) => environment.push(variable),
            None => {
                if let Ok(value) = std::env::var(&variable) {
                    environment.push(format!("{variable}={value}"));
                }
            }
        }
    }
    Ok(environment)
}

/// `key=value` pairs; a key alone has an empty value.
pub(super) fn map(pairs: &[String]) -> BTreeMap<String, String> {
    let split = |pair: &String| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.to_owned())
    };
    pairs.iter().map(split).collect()
}

/// `key=value` pairs; `None` if there are none.
pub(super) fn some_map(pairs: &[String]) -> Option<BTreeMap<String, String>> {
    (!pairs.is_empty()).then(|| map(pairs))
}

/// The list; `None` if it is empty.
pub(super) fn some_list(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// A size such as `64m`; 0 without the flag.
pub(super) fn bytes(flag: &'static str, text: Option<&String>) -> Result<i64, OptionsError> {
    match text {
        None => Ok(0),
        Some(text) => size::parse(text)
            .ok_or_else(|| OptionsError::invalid(flag, text, "not a size such as 64m")),
    }
}

/// A decimal number of CPUs, in units of 10^-9.
pub(super) fn nano_cpus(text: Option<&String>) -> Result<i64, OptionsError> {
    const DIGITS: usize = 9;
    let Some(text) = text else { return Ok(0) };
    let invalid = || OptionsError::invalid("--cpus", text, "not a number such as 1.5");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if text == "."
        || text.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > DIGITS
    {
        return Err(invalid());
    }
    format!("{whole}{fraction:0<DIGITS$}").parse().map_err(|_| invalid())
}
