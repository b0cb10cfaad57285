package mail

import (
	"strings"
	"text/template"

	"github.com/eggapi/eggapi/internal/fault"
)

// The templates. Each has its subject in the first line.
const (
	VerifyEmail        = "verify_email"         // to an address that is to be proved; has a link
	ConfirmEmailChange = "confirm_email_change" // to the present address, about the value new_email; has a link
	VerifyNewEmail     = "verify_new_email"     // to the address that a user wants; has a link
	ResetPassword      = "reset_password"       // to the present address; has a link
	KeyExpires         = "key_expires"          // to the present address; values name, hint, expires_at
)

// No mail repeats a name: it goes to addresses that nobody has proved, and a name can be an advertisement.
var letters = map[string]*template.Template{
	VerifyEmail: letter(`Confirm your e-mail address
Somebody, probably you, uses this address with EggAPI. Open this link within an hour to confirm that it is yours:

{{.link}}

If it was not you, do nothing.
`),
	ConfirmEmailChange: letter(`Confirm the change of your e-mail address
You want to use EggAPI with the address {{.new_email}} from now on. Open this link within an hour to agree; a second mail
then goes to the new address:

{{.link}}

If it was not you, do nothing, and change your password: somebody else is signed in to your account.
`),
	VerifyNewEmail: letter(`Confirm your new e-mail address
Somebody, probably you, wants to use this address with EggAPI. Open this link within an hour to make it so:

{{.link}}

If it was not you, do nothing.
`),
	ResetPassword: letter(`Set a new password
Somebody, probably you, has asked for a new password for EggAPI. Open this link within an hour of asking to choose one:

{{.link}}

If it was not you, do nothing: your password stays as it is.
`),
	KeyExpires: letter(`An API key expires on {{.expires_at}}
Your API key "{{.name}}" ({{.hint}}) stops working on {{.expires_at}}. Programs that use it are refused from then on.

Move its end, or make another key and move your programs to it.
`),
}

func letter(text string) *template.Template {
	return template.Must(template.New("").Option("missingkey=error").Parse(text))
}

// compose gives a mail's subject and text.
func compose(m Message, link string) (subject, body string, err error) {
	values := map[string]string{"link": link}
	for name, value := range m.Values {
		values[name] = value
	}
	values["link"] = link
	var b strings.Builder
	if err := letters[m.Template].Execute(&b, values); err != nil {
		return "", "", fault.Wrap(err, "compose a mail")
	}
	subject, body, _ = strings.Cut(b.String(), "\n")
	return subject, body, nil
}
