package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

func check(good bool, what ...any) {
	if !good {
		fmt.Println(what...)
		os.Exit(1)
	}
}

func main() {
	server, err := url.Parse(os.Getenv("URL"))
	check(err == nil, err)
	client, err := svix.New(os.Getenv("TOKEN"), &svix.SvixOptions{ServerUrl: server})
	check(err == nil, err)
	send := func(n any) (*models.MessageOut, error) {
		message := models.MessageIn{EventType: "a.enforce", Payload: map[string]any{"n": n}}
		return client.Message.Create(context.Background(), "default", message, nil)
	}
	sent, err := send(1)
	check(err == nil && strings.HasPrefix(sent.Id, "msg_"), sent, err)
	_, err = send("x")
	var refused *svix.Error
	check(errors.As(err, &refused) && refused.Status() == 422, err)
	check(strings.Contains(string(refused.Body()), `["body","payload","n"]`), string(refused.Body()))
	list, err := client.Message.List(context.Background(), "default", nil)
	check(err == nil && len(list.Data) == 1, list, err)
	fmt.Println("good")
}
