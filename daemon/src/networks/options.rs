//! The options of a bridge network (`com.docker.network.…`): read, or refused in dockerd's words.

use std::net::Ipv4Addr;

use super::Error;
use super::record::Texts;

/// Largest packet of a bridge unless told otherwise, in bytes.
pub(super) const MTU: u32 = 1500;
/// What the kernel takes as an interface's MTU at most (`ETH_MAX_MTU`).
const MAX_MTU: u32 = 65_535;
/// The longest name of an interface, in bytes.
const MAX_NAME: usize = 15;
const PREFIX: &str = "com.docker.network.";

/// What a client chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) name: Option<String>,
    pub(super) mtu: u32,
    pub(super) masquerade: bool,
    pub(super) icc: bool,
    pub(super) publish_on: Option<Ipv4Addr>,
    pub(super) interface_prefix: String,
}

/// Reads the options; those that are not known have no meaning, as in dockerd.
pub(super) fn read(options: &Texts) -> Result<Options, Error> {
    let text = |key: &str| options.get(&format!("{PREFIX}{key}")).map(String::as_str);
    let gateway_mode = |version: &str| match text(&format!("bridge.gateway_mode_{version}")) {
        None | Some("" | "nat") => Ok(()),
        Some(mode) => Err(Error::Unsupported(format!(
            "{PREFIX}bridge.gateway_mode_{version}={mode} is not supported: there is nat alone"
        ))),
    };
    gateway_mode("ipv4")?;
    gateway_mode("ipv6")?;
    let read = Options {
        name: text("bridge.name").filter(|name| !name.is_empty()).map(str::to_owned),
        mtu: mtu(text("driver.mtu"))?,
        masquerade: boolean("bridge.enable_ip_masquerade", text("bridge.enable_ip_masquerade"))?,
        icc: boolean("bridge.enable_icc", text("bridge.enable_icc"))?,
        publish_on: match text("bridge.host_binding_ipv4") {
            None => None,
            Some(address) => Some(
                address
                    .parse()
                    .map_err(|_| wrong("bridge.host_binding_ipv4", address, "nil ip"))?,
            ),
        },
        interface_prefix: text("container_iface_prefix").unwrap_or("eth").to_owned(),
    };
    if read.name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
        return Err(Error::Failed("numerical result out of range".to_owned()));
    }
    Ok(read)
}

fn wrong(key: &str, value: &str, why: &str) -> Error {
    Error::Invalid(format!("failed to parse {PREFIX}{key} value: {value} ({why})"))
}

fn mtu(text: Option<&str>) -> Result<u32, Error> {
    let Some(text) = text else { return Ok(MTU) };
    let number: i64 = text.parse().map_err(|_| {
        wrong("driver.mtu", text, &format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
    })?;
    match u32::try_from(number) {
        Err(_) => Err(Error::Invalid(format!("invalid MTU number: {number}"))),
        Ok(0) => Ok(MTU),
        Ok(number) if number > MAX_MTU => Err(Error::Failed("invalid argument".to_owned())),
        Ok(number) => Ok(number),
    }
}

/// True unless told otherwise.
fn boolean(key: &str, text: Option<&str>) -> Result<bool, Error> {
    match text {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(text) => {
            let why = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            Err(wrong(key, text, &why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Result<Options, String> {
        let options = Texts::from([(format!("{PREFIX}{key}"), value.to_owned())]);
        read(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_or_refused() {
        let defaults = read(&Texts::new()).unwrap();
        assert!(defaults.icc && defaults.masquerade && defaults.mtu == MTU);
        assert!(!with("bridge.enable_icc", "false").unwrap().icc);
        assert_eq!(with("driver.mtu", "9000").unwrap().mtu, 9000);
        assert_eq!(with("driver.mtu", "-1").unwrap_err(), "invalid MTU number: -1");
        assert_eq!(
            with("bridge.enable_icc", "maybe").unwrap_err(),
            "failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing \"maybe\": \
             invalid syntax)"
        );
        assert_eq!(
            with("bridge.host_binding_ipv4", "x").unwrap_err(),
            "failed to parse com.docker.network.bridge.host_binding_ipv4 value: x (nil ip)"
        );
        assert!(with("bridge.gateway_mode_ipv4", "routed").is_err());
        assert!(with("foo", "bar").is_ok());
    }
}
