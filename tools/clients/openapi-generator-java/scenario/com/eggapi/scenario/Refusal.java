package com.eggapi.scenario;

import com.eggapi.client.ApiClient;
import com.eggapi.client.ApiException;
import com.eggapi.client.model.ErrorBody;
import com.eggapi.client.model.ErrorEnvelope;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.net.http.HttpHeaders;

/** What the API answered instead of doing as it was asked: the generated type of the error, and the headers. */
record Refusal(ErrorBody error, HttpHeaders headers) {

  /** The generated client throws with the body as text; here it becomes the contract's type. */
  static Refusal of(ApiException e, int status, String code) {
    Scenario.expect(e.getCode() == status, "not " + status + " but " + e.getMessage());
    ErrorEnvelope envelope;
    try {
      envelope = ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), ErrorEnvelope.class);
    } catch (JsonProcessingException notTheEnvelope) {
      throw new Mismatch(notTheEnvelope.getMessage());
    }
    Scenario.expect(envelope.getData() == null, "an error with data: " + envelope);
    Scenario.expect(code.equals(envelope.getError().getCode()), "not " + code + " but " + envelope.getError());
    return new Refusal(envelope.getError(), e.getResponseHeaders());
  }
}
