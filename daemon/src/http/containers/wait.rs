//! POST /containers/{id}/wait, since 1.0; `condition` since 1.30.

use api_spec::container::{WaitError, WaitResponse};
use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::containers::Condition;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let text = query.text("condition");
    let condition = Condition::parse(text)
        .ok_or_else(|| Error::bad_request(format!("invalid condition: {text:?}")))?;
    let handle = app.containers.resolve(&name)?;
    let wait = handle.wait(condition);
    // The head goes out at once: clients start the container only when they have it.
    let (sender, response) = reply::stream(reply::JSON);
    tokio::spawn(async move {
        let code = tokio::select! {
            code = wait.done() => code,
            () = sender.closed() => return,
        };
        let answer = match code {
            Some(code) => {
                let error = handle.start_error().map(|message| WaitError { message });
                WaitResponse { status_code: i64::from(code), error }
            }
            None => WaitResponse {
                status_code: -1,
                error: Some(WaitError { message: "the daemon ends".to_owned() }),
            },
        };
        // An error says that the client has gone.
        let _ = sender.send_json(&answer, "\n").await;
    });
    Ok(response)
}
