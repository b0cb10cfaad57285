// Shows the running server's contract. A pasted key stays in this page's memory: nothing is stored, nothing goes into the address.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// The page has a title of its own, and there is one server.
const nothing = () => () => null;

/** A page cannot send a cookie of its choice, so there is nothing to fill in for a session. */
function cookieAuth(Original, { React }) {
  return function Auth(props) {
    if (props.schema.get("in") !== "cookie") return React.createElement(Original, props);
    return React.createElement(
      "div",
      { className: "by-cookie" },
      React.createElement("h4", null, React.createElement("code", null, props.name), " (cookie)"),
      React.createElement("p", null, "Sign in on the first page of this server: your browser then sends the cookie by itself."),
    );
  };
}

/** Of several examples of a body the one named like its operation comes first, and is what a first try sends. */
function plainExampleFirst(operation) {
  for (const body of Object.values(operation.requestBody?.content ?? {})) {
    const { [operation.operationId]: plain, ...others } = body.examples ?? {};
    if (plain) body.examples = { [operation.operationId]: plain, ...others };
  }
}

/** Prepares the contract for trying. */
function prepare(original) {
  return (contract) => {
    // The example would be sent with every try, and make the second one a replay.
    delete contract?.components?.parameters?.IdempotencyKeyHeader?.example;
    Object.values(contract?.paths ?? {}).flatMap(Object.values).forEach(plainExampleFirst);
    return original(contract);
  };
}

/** The library puts a link into a button. Opening an operation changes the address all the same. */
const plainName = (_, { React }) => (props) => React.createElement("span", null, props.text);

const plugin = {
  wrapComponents: { InfoContainer: nothing, ServersContainer: nothing, apiKeyAuth: cookieAuth, DeepLink: plainName },
  statePlugins: { spec: { wrapActions: { updateJsonSpec: prepare } } },
};

/** Says to screen readers what the library leaves unsaid. */
function label() {
  for (const select of explorer.querySelectorAll(".examples-select-element")) select.ariaLabel ??= "Example";
  for (const text of explorer.querySelectorAll("textarea")) text.ariaLabel ??= "Request body";
  for (const part of explorer.querySelectorAll("main")) part.role = "group"; // the page has a main part already
}

const explorer = document.getElementById("explorer");
new MutationObserver(label).observe(explorer, { childList: true, subtree: true });

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#explorer",
  plugins: [() => plugin],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
