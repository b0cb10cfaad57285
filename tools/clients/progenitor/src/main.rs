//! Walks through the API with the generated client; prints `ok STEP` for each step and stops at the first that fails.
#![deny(warnings)]
mod open_answers;
mod refusal;

use eggapi::{Client, ResponseValue, types};
use refusal::refused;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use std::time::{Duration, Instant, SystemTime};
use std::{env, error::Error};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const MODEL: &str = "nanobanana";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PATIENCE: Duration = Duration::from_secs(120);
const MOST_TRIES: usize = 2000;

fn main() {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(walk()));
    if let Err(reason) = outcome {
        println!("FAIL {reason}");
        std::process::exit(1);
    }
}

async fn walk() -> Outcome {
    open_answers::check()?;
    let (url, key) = (env::var("EGGAPI_URL")?, env::var("EGGAPI_KEY")?);
    let client = connect(&url, &key)?;

    models(&client).await?;
    let id = generate_and_replay(&client).await?;
    let image = completed(&client, &id).await?;
    download(&image).await?;
    usage(&client).await?;
    unauthorized(&url).await?;
    not_found(&client).await?;
    validation(&client).await?;
    rate_limited(&client).await
}

fn connect(url: &str, key: &str) -> Outcome<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {key}").parse()?);
    let http = reqwest::Client::builder()
        .default_headers(headers)
        .build()?;
    Ok(Client::new_with_client(url, http))
}

async fn models(client: &Client) -> Outcome {
    let catalogue = client.list_models().send().await?.into_inner().data;
    let found = catalogue.iter().any(|model| model.id.as_str() == MODEL);
    expect(found, format!("the catalogue has no {MODEL}"))?;
    ok("models")
}

async fn generate_and_replay(client: &Client) -> Outcome<types::TaskId> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let key = format!("scenario-{}-{}", std::process::id(), now.as_nanos());

    let first = generate(client, &key).await?;
    let task = &first.data;
    expect(
        first.status().as_u16() == 202,
        format!("generate answered {}", first.status()),
    )?;
    expect(
        !task.id.is_empty() && task.model.as_str() == MODEL,
        format!("not the task that was asked for: {task:?}"),
    )?;
    expect(
        replayed(&first).is_none(),
        "the first answer says that it is a replay",
    )?;
    ok("generate")?;

    let again = generate(client, &key).await?;
    expect(again.data.id == task.id, "the replay is another task")?;
    expect(
        replayed(&again) == Some("true"),
        "the replay does not say that it is one",
    )?;
    ok("replay")?;
    Ok(task.id.clone())
}

async fn generate(client: &Client, key: &str) -> Outcome<ResponseValue<types::TaskEnvelope>> {
    let request = types::GenerateRequest::builder()
        .model(MODEL)
        .prompt("A lighthouse made of eggshell at dawn");
    let call = client.generate().idempotency_key(key).body(request);
    Ok(call.send().await?)
}

fn replayed(answer: &ResponseValue<types::TaskEnvelope>) -> Option<&str> {
    answer.headers().get("Idempotent-Replayed")?.to_str().ok()
}

async fn completed(client: &Client, id: &types::TaskId) -> Outcome<types::ImageUrl> {
    let start = Instant::now();
    let mut task = get_task(client, id).await?;
    while ["pending", "processing"].contains(&task.status.as_str()) {
        expect(
            start.elapsed() < PATIENCE,
            format!("the task has not ended: {task:?}"),
        )?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        task = get_task(client, id).await?;
    }
    expect(
        task.status.as_str() == "completed",
        format!("the task is not completed: {task:?}"),
    )?;
    expect(
        task.completed_at >= Some(task.created_at),
        "completed before it was created",
    )?;
    let output = task.output.ok_or("a completed task without output")?;
    expect(output.urls.len() == 1, format!("not one image: {output:?}"))?;
    expect(output.urls[0] == output.url, "url is not the first of urls")?;
    ok("completed")?;
    Ok(output.url)
}

async fn get_task(client: &Client, id: &types::TaskId) -> Outcome<types::Task> {
    let answer = client.get_task().id(id.clone()).send().await?;
    Ok(answer.into_inner().data)
}

async fn download(image: &types::ImageUrl) -> Outcome {
    let answer = reqwest::get(image.as_str()).await?.error_for_status()?;
    expect(
        answer.bytes().await?.starts_with(PNG),
        "the image is not a PNG",
    )?;
    ok("download")
}

async fn usage(client: &Client) -> Outcome {
    let rows = client.summarize_usage().send().await?.into_inner().data;
    let counted = rows
        .iter()
        .any(|row| row.model.as_str() == MODEL && row.request_count >= 1);
    expect(counted, "the usage summary does not count the task")?;
    ok("usage")
}

async fn unauthorized(url: &str) -> Outcome {
    let stranger = connect(url, &format!("egg_test_{}", "0".repeat(38)))?;
    let answer = stranger.get_task().id("gen_0").send().await;
    let refusal = refused(answer, 401, "UNAUTHORIZED")?;
    expect(
        !refusal.error.request_id.is_empty(),
        format!("no request_id: {refusal:?}"),
    )?;
    ok("unauthorized")
}

async fn not_found(client: &Client) -> Outcome {
    let unknown = client.get_task().id("gen_00000000000000000000000000");
    refused(unknown.send().await, 404, "NOT_FOUND")?;
    ok("not-found")
}

/// The client refuses an empty prompt itself; it knows no maximum of a number, so five images reach the server.
async fn validation(client: &Client) -> Outcome {
    let five = std::num::NonZeroU32::try_from(5)?;
    let request = types::GenerateRequest::builder()
        .model(MODEL)
        .prompt("An egg")
        .num_outputs(five);
    let answer = client.generate().body(request).send().await;
    let refusal = refused(answer, 400, "VALIDATION_ERROR")?;
    let field = refusal.error.fields.first().ok_or("no fields")?;
    let blamed = field.in_.as_str() == "body" && field.name.as_str() == "num_outputs";
    expect(blamed, format!("another field: {field:?}"))?;
    ok("validation")
}

async fn rate_limited(client: &Client) -> Outcome {
    for _ in 0..MOST_TRIES {
        let answer = client.summarize_usage().send().await;
        if answer.is_ok() {
            continue;
        }
        let refusal = refused(answer, 429, "RATE_LIMITED")?;
        let header = refusal.headers.get("Retry-After");
        let seconds: u64 = header.ok_or("no Retry-After")?.to_str()?.parse()?;
        expect(seconds >= 1, format!("Retry-After is {seconds}"))?;
        return ok("rate-limited");
    }
    Err(format!("no 429 in {MOST_TRIES} tries").into())
}

fn expect(condition: bool, otherwise: impl Into<Box<dyn Error>>) -> Outcome {
    if condition {
        return Ok(());
    }
    Err(otherwise.into())
}

fn ok(step: &str) -> Outcome {
    println!("ok {step}");
    Ok(())
}
