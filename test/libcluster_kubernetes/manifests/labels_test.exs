defmodule LibclusterKubernetes.Manifests.LabelsTest do
  # The labels of the pods, from the selectors of all topologies.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  test "takes the value of a set that is the application's name, and says so" do
    several = topology(kubernetes_selector: "app in (other, my-app), kind")
    objects = objects([several], image: "i")
    assert one(objects, "Service")["spec"]["selector"] == %{"app" => "my-app", "kind" => "true"}
    assert one(objects, "Deployment")["spec"]["selector"]["matchLabels"] == %{"app" => "my-app", "kind" => "true"}
    assert notes([several]) =~ "kubernetes_selector takes other, my-app for the label app: here it is my-app."
    assert notes([several]) =~ "kubernetes_selector takes any value for the label kind: here it is true."

    slices = [kubernetes_ip_lookup_mode: :endpoint_slices]
    services = topology([kubernetes_selector: "kubernetes.io/service-name in (x, my-app-headless)"] ++ slices)
    assert one(objects([services]), "Service")["metadata"]["name"] == "my-app-headless"
  end

  test "takes the value of a set that is given, or that no other requirement excludes" do
    several = topology(kubernetes_selector: "app in (a, b, c)")
    assert one(objects([several], labels: %{"app" => "b"}), "Service")["spec"]["selector"] == %{"app" => "b"}
    refute notes([several], labels: %{"app" => "b"}) =~ "--label chooses another"

    left = topology(kubernetes_selector: "app in (a, b),app!=a")
    assert one(objects([left]), "Service")["spec"]["selector"] == %{"app" => "b"}
    other = topology([kubernetes_selector: "app in (b, c)"], :other)

    assert one(objects([topology(kubernetes_selector: "app in (a, b)"), other]), "Service")["spec"]["selector"]["app"] ==
             "b"
  end

  test "refuses to choose among the values of a set, and what a selector would not find" do
    several = topology(kubernetes_selector: "app in (a, b)")
    error = assert_raise ArgumentError, fn -> yaml([several]) end

    assert error.message ==
             "kubernetes_selector takes a, b for the label app, and a pod has one of them: choose it by --label app=a"

    for {selector, labels} <- [
          {"app in (a, b)", %{"app" => "c"}},
          {"app=a,!x", %{"x" => "1"}},
          {"!app.kubernetes.io/name", %{}}
        ] do
      assert_raise ArgumentError,
                   ~r/of topology :k8s is #{Regex.escape(inspect(selector))}, which would not find these pods/,
                   fn ->
                     yaml([topology(kubernetes_selector: selector)], labels: labels)
                   end
    end

    for selector <- ["app=a,app=b", "app in (a),app!=a", "app in (a, b),app notin (a, b)"] do
      assert_raise ArgumentError, ~r/no pod can have a label app that is in a.* and .*contradicts itself/, fn ->
        yaml([topology(kubernetes_selector: selector)])
      end
    end
  end

  test "refuses topologies that no pod can be of at once" do
    assert_raise ArgumentError, ~r/no pod can have a label app that is in myapp and in other.*--topology/s, fn ->
      yaml([topology([]), topology([kubernetes_selector: "app=other"], :other)])
    end
  end

  test "refuses a selector that no labels can be made for" do
    for selector <- ["version>3", "app in shop", "a=b=c"] do
      assert_raise ArgumentError, ~r/no labels can be made for #{Regex.escape(inspect(selector))}/, fn ->
        yaml([topology(kubernetes_selector: selector)])
      end
    end
  end
end
