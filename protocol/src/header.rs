//! Request and response headers.

use bytes::Bytes;

use crate::api::{ApiKey, Request, Response};
use crate::decode::{DecodeError, Decoder, Fault};
use crate::encode::{EncodeError, Encoder, Part};
use crate::string::Str;
use crate::wire::Wire;

/// The first eight bytes of a request, which every version of every header shares. They say which header
/// and body follow, so they are read before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// The API's key, known or not.
    pub api_key: i16,
    /// The API's version, served or not.
    pub api_version: i16,
    /// What the answer must repeat.
    pub correlation_id: i32,
}

impl Preamble {
    /// Looks at the start of a frame.
    pub fn peek(frame: &Bytes) -> Option<Preamble> {
        let bytes: &[u8; 8] = frame.first_chunk()?;
        let [a, b, c, d, e, f, g, h] = *bytes;
        Some(Preamble {
            api_key: i16::from_be_bytes([a, b]),
            api_version: i16::from_be_bytes([c, d]),
            correlation_id: i32::from_be_bytes([e, f, g, h]),
        })
    }
}

/// A request as it stood in its frame.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingRequest {
    /// The API's version.
    pub version: i16,
    /// What the answer must repeat.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// The body.
    pub request: Request,
}

/// Reads header and body of a request whose API and version are served.
pub fn decode_request(frame: Bytes) -> Result<IncomingRequest, DecodeError> {
    let too_short = DecodeError { position: 0, fault: Fault::Truncated { wanted: 8, left: frame.len() } };
    let preamble = Preamble::peek(&frame).ok_or(too_short)?;
    let version = preamble.api_version;
    let api = ApiKey::from_i16(preamble.api_key)
        .filter(|api| api.serves(version))
        .ok_or(DecodeError { position: 2, fault: Fault::Version(version) })?;
    // The client id keeps its 16-bit length in flexible headers too (KIP-482).
    let mut from = Decoder::new(frame.slice(8..), version, false);
    let client_id = Option::<Str>::decode(&mut from)?;
    let mut body = from.into_rest();
    if api.is_flexible(version) {
        let mut tags = Decoder::new(body, version, true);
        tags.tagged_fields(|_, _| Ok(false))?;
        body = tags.into_rest();
    }
    let request = Request::decode(api, version, body)?;
    Ok(IncomingRequest { version, correlation_id: preamble.correlation_id, client_id, request })
}

/// Writes a request with its header, without the length prefix.
pub fn encode_request(request: &Request, version: i16, correlation_id: i32, client_id: Option<&Str>) -> Result<Vec<Bytes>, EncodeError> {
    let api = request.api_key();
    let mut to = Encoder::new(version, false);
    (api as i16).encode(&mut to)?;
    version.encode(&mut to)?;
    correlation_id.encode(&mut to)?;
    client_id.cloned().encode(&mut to)?;
    let flexible = api.is_flexible(version);
    if flexible {
        to.tagged_fields(Vec::new());
    }
    to.set_version(version, flexible);
    request.encode(&mut to)?;
    to.finish().iter().map(|part| part.bytes().map_err(|_| EncodeError::Unreadable)).collect()
}

fn response_header_is_flexible(api: ApiKey, version: i16) -> bool {
    // A client that does not know the broker yet must be able to read this one (KIP-511).
    api != ApiKey::ApiVersions && api.is_flexible(version)
}

/// Writes a response with its header, without the length prefix.
pub fn encode_response(response: &Response, version: i16, correlation_id: i32) -> Result<Vec<Part>, EncodeError> {
    let api = response.api_key();
    let mut to = Encoder::new(version, api.is_flexible(version));
    correlation_id.encode(&mut to)?;
    if response_header_is_flexible(api, version) {
        to.tagged_fields(Vec::new());
    }
    response.encode(&mut to)?;
    Ok(to.finish())
}

/// Reads the correlation id and the body of a response to a request of a known API and version.
pub fn decode_response(frame: Bytes, api: ApiKey, version: i16) -> Result<(i32, Response), DecodeError> {
    let mut from = Decoder::new(frame, version, true);
    let correlation_id = i32::decode(&mut from)?;
    if response_header_is_flexible(api, version) {
        from.tagged_fields(|_, _| Ok(false))?;
    }
    Ok((correlation_id, Response::decode(api, version, from.into_rest())?))
}
