package com.eggapi.scenario;

import com.eggapi.client.ApiClient;
import com.eggapi.client.ApiException;
import com.eggapi.client.ApiResponse;
import com.eggapi.client.api.GenerationApi;
import com.eggapi.client.api.ModelsApi;
import com.eggapi.client.api.SystemApi;
import com.eggapi.client.api.TasksApi;
import com.eggapi.client.api.UsageApi;
import com.eggapi.client.model.ErrorBody;
import com.eggapi.client.model.FieldError;
import com.eggapi.client.model.GenerateRequest;
import com.eggapi.client.model.Task;
import com.eggapi.client.model.TaskEnvelope;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/** Walks through the API with the generated client; prints `ok STEP` for each step and stops at the first that fails. */
public final class Scenario {
  private static final String MODEL = "nanobanana";
  private static final byte[] PNG = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int MOST_TRIES = 2000;

  private final ApiClient client;
  private final String url;

  private Scenario(String url, String key) {
    this.url = url;
    this.client = connect(url, key);
  }

  public static void main(String[] args) {
    try {
      OpenAnswers.check();
      new Scenario(System.getenv("EGGAPI_URL"), System.getenv("EGGAPI_KEY")).walk();
    } catch (ApiException | IOException | InterruptedException | Mismatch e) {
      System.out.println("FAIL " + e);
      System.exit(1);
    }
  }

  private static ApiClient connect(String url, String key) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(url);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    return client;
  }

  private void walk() throws ApiException, IOException, InterruptedException {
    contract();
    models();
    Task accepted = generateAndReplay();
    Task task = completed(accepted.getId());
    download(task.getOutput().getUrl());
    usage();
    unauthorized();
    notFound();
    validation();
    rateLimited();
  }

  /** A text that is not JSON: this generator parses every string as JSON unless the contract calls it binary. */
  private void contract() throws ApiException, IOException {
    String text = Files.readString(new SystemApi(client).getContractYAML(null).toPath());
    expect(text.contains("\nopenapi: 3.0."), "not a contract: " + text);
  }

  private void models() throws ApiException {
    boolean found = new ModelsApi(client).listModels().getData().stream().anyMatch(m -> MODEL.equals(m.getId()));
    expect(found, "the catalogue has no " + MODEL);
    ok("models");
  }

  private Task generateAndReplay() throws ApiException {
    GenerationApi api = new GenerationApi(client);
    GenerateRequest request = new GenerateRequest().model(MODEL).prompt("A lighthouse made of eggshell at dawn");
    String idempotencyKey = UUID.randomUUID().toString();

    ApiResponse<TaskEnvelope> first = api.generateWithHttpInfo(request, idempotencyKey);
    Task task = first.getData().getData();
    expect(first.getStatusCode() == 202, "generate answered " + first.getStatusCode());
    expect(!task.getId().isEmpty() && MODEL.equals(task.getModel()), "not the task that was asked for: " + task);
    expect(header(first, "Idempotent-Replayed") == null, "the first answer says that it is a replay");
    ok("generate");

    ApiResponse<TaskEnvelope> again = api.generateWithHttpInfo(request, idempotencyKey);
    expect(task.getId().equals(again.getData().getData().getId()), "the replay is another task");
    expect("true".equals(header(again, "Idempotent-Replayed")), "the replay does not say that it is one");
    ok("replay");
    return task;
  }

  private Task completed(String id) throws ApiException, InterruptedException {
    TasksApi api = new TasksApi(client);
    Instant end = Instant.now().plus(PATIENCE);
    Task task = api.getTask(id, null).getData();
    while (List.of("pending", "processing").contains(task.getStatus())) {
      expect(Instant.now().isBefore(end), "the task has not ended: " + task);
      Thread.sleep(200);
      task = api.getTask(id, null).getData();
    }
    expect("completed".equals(task.getStatus()), "the task is not completed: " + task);
    expect(task.getOutput() != null && task.getOutput().getUrls().size() == 1, "not one image: " + task);
    expect(task.getOutput().getUrls().get(0).equals(task.getOutput().getUrl()), "url is not the first of urls");
    expect(!task.getCompletedAt().isBefore(task.getCreatedAt()), "completed before it was created");
    ok("completed");
    return task;
  }

  private void download(String image) throws IOException, InterruptedException {
    HttpResponse<byte[]> answer =
        HttpClient.newHttpClient()
            .send(HttpRequest.newBuilder(URI.create(image)).build(), HttpResponse.BodyHandlers.ofByteArray());
    expect(answer.statusCode() == 200, "the image answered " + answer.statusCode());
    expect(Arrays.equals(PNG, Arrays.copyOf(answer.body(), PNG.length)), "the image is not a PNG");
    ok("download");
  }

  private void usage() throws ApiException {
    boolean counted =
        new UsageApi(client)
            .summarizeUsage(null, null, null).getData().stream()
                .anyMatch(row -> MODEL.equals(row.getModel()) && row.getRequestCount() >= 1);
    expect(counted, "the usage summary does not count the task");
    ok("usage");
  }

  private void unauthorized() {
    TasksApi stranger = new TasksApi(connect(url, "egg_test_" + "0".repeat(38)));
    ErrorBody error = refused(401, "UNAUTHORIZED", () -> stranger.getTask("gen_0", null)).error();
    expect(error.getRequestId() != null && !error.getRequestId().isEmpty(), "no request_id: " + error);
    ok("unauthorized");
  }

  private void notFound() {
    refused(404, "NOT_FOUND", () -> new TasksApi(client).getTask("gen_00000000000000000000000000", null));
    ok("not-found");
  }

  private void validation() {
    GenerateRequest request = new GenerateRequest().model(MODEL).prompt("");
    ErrorBody error = refused(400, "VALIDATION_ERROR", () -> new GenerationApi(client).generate(request, null)).error();
    expect(error.getFields() != null && !error.getFields().isEmpty(), "no fields: " + error);
    FieldError field = error.getFields().get(0);
    expect("body".equals(field.getIn()) && "prompt".equals(field.getName()), "another field: " + field);
    ok("validation");
  }

  private void rateLimited() throws ApiException {
    UsageApi api = new UsageApi(client);
    for (int i = 0; i < MOST_TRIES; i++) {
      try {
        api.summarizeUsage(null, null, null);
      } catch (ApiException e) {
        Refusal refusal = Refusal.of(e, 429, "RATE_LIMITED");
        long seconds = refusal.headers().firstValueAsLong("Retry-After").orElse(0);
        expect(seconds >= 1, "Retry-After is " + seconds);
        ok("rate-limited");
        return;
      }
    }
    throw new Mismatch("no 429 in " + MOST_TRIES + " tries");
  }

  private static String header(ApiResponse<?> answer, String name) {
    return answer.getHeaders().entrySet().stream()
        .filter(h -> h.getKey().equalsIgnoreCase(name))
        .map(h -> h.getValue().get(0))
        .findFirst()
        .orElse(null);
  }

  private static Refusal refused(int status, String code, Call call) {
    try {
      call.run();
    } catch (ApiException e) {
      return Refusal.of(e, status, code);
    }
    throw new Mismatch("no " + code + ": the request was accepted");
  }

  static void expect(boolean condition, String otherwise) {
    if (!condition) {
      throw new Mismatch(otherwise);
    }
  }

  private static void ok(String step) {
    System.out.println("ok " + step);
  }

  private interface Call {
    void run() throws ApiException;
  }
}
