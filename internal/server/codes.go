package server

import (
	"fmt"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/internal/fault"
)

// checkCodes fails unless the contract's list of error codes, the vocabulary and the table of answers are one list.
func checkCodes(doc *openapi3.T) error {
	if doc.Components == nil || doc.Components.Schemas["ErrorCode"] == nil {
		return fmt.Errorf("the contract has no schema ErrorCode")
	}
	declared := map[fault.Code]bool{}
	for _, code := range texts(doc.Components.Schemas["ErrorCode"].Value.Extensions["x-extensible-enum"]) {
		declared[fault.Code(code)] = true
	}
	for _, code := range fault.Codes() {
		if _, ok := answers[code]; !ok {
			return fmt.Errorf("error code %s has no row in the table of answers", code)
		}
		if !declared[code] {
			return fmt.Errorf("error code %s is not in the contract", code)
		}
		delete(declared, code)
	}
	if len(declared) > 0 || len(answers) != len(fault.Codes()) {
		return fmt.Errorf("the contract or the table of answers has error codes the vocabulary lacks")
	}
	return nil
}

// checkOperationCodes fails unless each refusal of an operation names its codes, and each of them goes out with
// that status. Better Auth's names for refusals are its own; they only have to be there.
func checkOperationCodes(op *openapi3.Operation, betterAuth bool) error {
	for status, response := range op.Responses.Map() {
		number, err := strconv.Atoi(status)
		if err != nil {
			return fmt.Errorf("response %s: name each status", status)
		}
		if number < 400 {
			continue
		}
		codes := texts(response.Value.Extensions["x-error-codes"])
		if len(codes) == 0 {
			return fmt.Errorf("response %s: x-error-codes must list the codes it can give", status)
		}
		for _, code := range codes {
			if row, ok := answers[fault.Code(code)]; !betterAuth && (!ok || row.status != number) {
				return fmt.Errorf("response %s: error code %s has no row with this status in the table of answers", status, code)
			}
		}
	}
	return nil
}

// texts reads an extension that is a list of strings.
func texts(extension any) []string {
	list, _ := extension.([]any)
	var all []string
	for _, v := range list {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
