//! GET /containers/{id}/plan. Not Docker's: what a start of the container does, as JSON, or as text with `format=text`
//! or `Accept: text/plain`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

const PLAIN: &str = "text/plain";

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let as_text = match query.text("format") {
        "text" => true,
        "json" => false,
        "" => headers.get(header::ACCEPT).is_some_and(|accepted| accepted == PLAIN),
        other => {
            let why = format!("invalid format: {other:?} is neither \"json\" nor \"text\"");
            return Err(Error::bad_request(why));
        }
    };
    let handle = app.containers.resolve(&name)?;
    let plan = app.containers.plan(&handle).await?;
    Ok(match as_text {
        true => reply::text(StatusCode::OK, plan.describe()),
        false => reply::json(StatusCode::OK, &plan),
    })
}
