package com.eggapi.scenario;

import com.eggapi.client.ApiClient;
import com.eggapi.client.model.ErrorEnvelope;
import com.eggapi.client.model.TaskEnvelope;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;

/** Answers may grow: members and values that this client was not generated for must not break it. */
final class OpenAnswers {
  private static final String TASK =
      """
      {"data": {"id": "gen_1", "status": "paused", "model": "nanobanana-3", "type": "video_generate", "cost": "$0.00",
        "created_at": "2026-05-08T10:30:00Z", "mood": {"hue": 7}}, "error": null, "meta": {"node": "a"}}
      """;
  private static final String ERROR =
      """
      {"data": null, "error": {"code": "TEAPOT", "message": "no coffee", "request_id": "req_1", "hint": "tea",
        "fields": [{"in": "cookie", "name": "session", "rule": "new", "message": "bad", "value": 1}]}}
      """;

  private OpenAnswers() {}

  static void check() throws JsonProcessingException {
    ObjectMapper mapper = ApiClient.createDefaultObjectMapper();

    TaskEnvelope task = mapper.readValue(TASK, TaskEnvelope.class);
    Scenario.expect("paused".equals(task.getData().getStatus()), "an unknown status is lost: " + task);
    Scenario.expect("video_generate".equals(task.getData().getType()), "an unknown type is lost: " + task);

    ErrorEnvelope error = mapper.readValue(ERROR, ErrorEnvelope.class);
    Scenario.expect("TEAPOT".equals(error.getError().getCode()), "an unknown code is lost: " + error);
    String in = error.getError().getFields().get(0).getIn();
    Scenario.expect("cookie".equals(in), "an unknown place is lost: " + error);
  }
}
