package history

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

// version: what differs from the release has another version. Words move the third number, all else the second; the
// first is the one in the paths, and a new one is a new contract.
func (j *Judge) version() []lint.Finding {
	at := j.Tree.Contract().Down("info", "version").Place()
	step := Distance(j.Released, j.Current)
	switch what := "v" + j.Current.Version; {
	case !semver.IsValid(what) || strings.Count(what, ".") != 2 || semver.Prerelease(what)+semver.Build(what) != "":
		return versionFinding(at, "info.version %q is not three numbers; write it like 1.2.3", j.Current.Version)
	case semver.Major(what) != semver.Major("v"+j.Released.Version):
		return versionFinding(at, "info.version %s has another first number than the released %s, which is the one in the paths; a new one begins with a new contract", j.Current.Version, j.Released.Version)
	case step == Nothing && j.Current.Version != j.Released.Version:
		return versionFinding(at, "info.version is %s, and nothing differs from %s; set it back", j.Current.Version, j.Released.Version)
	case step == Nothing:
		return nil
	case step == Words:
		if next := bump(j.Released.Version, false); semver.Compare(what, "v"+next) < 0 {
			return versionFinding(at, "words differ from the released %s; raise info.version to %s", j.Released.Version, next)
		}
	default:
		if next := bump(j.Released.Version, true); semver.Compare(what, "v"+next) < 0 {
			return versionFinding(at, "more than words differs from the released %s; raise info.version to %s", j.Released.Version, next)
		}
	}
	return nil
}

func versionFinding(at source.Place, format string, args ...any) []lint.Finding {
	return []lint.Finding{{Place: at, Rule: "version", Text: fmt.Sprintf(format, args...)}}
}

// bump is the next version: the next minor one, or the next patch.
func bump(version string, minor bool) string {
	var a, b, c int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &a, &b, &c); err != nil {
		return version
	}
	if minor {
		return fmt.Sprintf("%d.%d.0", a, b+1)
	}
	return fmt.Sprintf("%d.%d.%d", a, b, c+1)
}
