//! Answers may grow: members and values that this client was not generated for must not break it.
use crate::{Outcome, expect};
use eggapi::types::{ErrorEnvelope, TaskEnvelope};

const TASK: &str = r#"{"data": {"id": "gen_1", "status": "paused", "model": "nanobanana-3", "type": "video_generate",
    "cost": "$0.00", "created_at": "2026-05-08T10:30:00Z", "mood": {"hue": 7}}, "error": null, "meta": {"node": "a"}}"#;
const ERROR: &str = r#"{"data": null, "error": {"code": "TEAPOT", "message": "no coffee", "request_id": "req_1",
    "hint": "tea", "fields": [{"in": "cookie", "name": "session", "rule": "new", "message": "bad", "value": 1}]}}"#;

pub fn check() -> Outcome {
    let task = serde_json::from_str::<TaskEnvelope>(TASK)?.data;
    expect(
        task.status.as_str() == "paused",
        format!("an unknown status is lost: {task:?}"),
    )?;
    expect(
        task.type_.as_str() == "video_generate",
        format!("an unknown type is lost: {task:?}"),
    )?;

    let error = serde_json::from_str::<ErrorEnvelope>(ERROR)?.error;
    expect(
        error.code.as_str() == "TEAPOT",
        format!("an unknown code is lost: {error:?}"),
    )
}
