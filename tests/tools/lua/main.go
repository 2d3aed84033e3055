// Command lua runs an Argo CD health check on objects, as Argo CD does: on the same Lua, with the same few libraries, the
// object in the global `obj`, and a table with `status` and `message` as the answer. Argo CD's own package brings all of
// Kubernetes with it; this is what of it decides.
//
// Arguments: the script. Standard input: a list of objects as JSON. Standard output: the list of answers as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	answers := []health{}
	for _, object := range objects {
		answer, err := judge(string(script), object)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func judge(script string, object map[string]any) (health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// What Argo CD opens unless a script is given all libraries.
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	} {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return health{}, err
		}
	}
	state.SetGlobal("obj", luajson.DecodeValue(state, object))
	if err := state.DoString(script); err != nil {
		return health{}, err
	}
	text, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return health{}, err
	}
	var answer health
	err = json.Unmarshal(text, &answer)
	return answer, err
}
