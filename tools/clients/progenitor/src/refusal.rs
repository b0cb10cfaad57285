//! What the API answered instead of doing as it was asked.
use crate::{Outcome, expect};
use eggapi::{Error, ResponseValue, types};
use reqwest::header::HeaderMap;

/// The generated type of the error, and the headers that came with it.
#[derive(Debug)]
pub struct Refusal {
    pub error: types::ErrorBody,
    pub headers: HeaderMap,
}

/// Fails unless the answer is an error of the contract with this status and code.
pub fn refused<T: std::fmt::Debug>(
    answer: Result<ResponseValue<T>, Error<types::ErrorEnvelope>>,
    status: u16,
    code: &str,
) -> Outcome<Refusal> {
    match answer {
        Ok(accepted) => Err(format!("no {code}: {accepted:?}").into()),
        Err(Error::ErrorResponse(response)) => {
            let headers = response.headers().clone();
            expect(
                response.status() == status,
                format!("not {status} but {response:?}"),
            )?;
            let envelope = response.into_inner();
            expect(
                envelope.error.code.as_str() == code,
                format!("not {code} but {envelope:?}"),
            )?;
            expect(
                envelope.data.is_none(),
                format!("an error with data: {envelope:?}"),
            )?;
            let error = envelope.error;
            Ok(Refusal { error, headers })
        }
        Err(other) => Err(other.into()),
    }
}
