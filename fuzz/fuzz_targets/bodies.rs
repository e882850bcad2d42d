//! JSON bodies of requests: what is read is written so that it is read alike.

#![no_main]

use api_spec::container::CreateRequest;
use api_spec::exec::ExecConfig;
use api_spec::network::NetworkCreate;
use api_spec::{gojson, volume};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(read) = gojson::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    assert_eq!(gojson::from_slice::<T>(&written).expect("what was written can be read"), read);
}

fuzz_target!(|bytes: &[u8]| {
    check::<ExecConfig>(bytes);
    check::<NetworkCreate>(bytes);
    check::<volume::CreateRequest>(bytes);
    if let Ok(request) = CreateRequest::from_slice(bytes) {
        let config = serde_json::to_vec(&request.config).expect("what was read can be written");
        let again = CreateRequest::from_slice(&config).expect("what was written can be read");
        assert_eq!(again.config, request.config);
    }
});
