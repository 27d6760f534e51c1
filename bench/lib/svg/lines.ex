defmodule LibclusterKubernetes.Bench.Svg.Lines do
  @moduledoc "Lines over the number of members, both axes logarithmic."

  alias LibclusterKubernetes.Bench.Report.Unit
  alias LibclusterKubernetes.Bench.Svg.Page

  @height 400
  @left 86
  @right 560
  @top 84
  @bottom 350

  @doc "`lines` are `{label, class, [{members, value}]}`; every second one of a class is dashed."
  def svg(title, unit, lines) do
    points = Enum.flat_map(lines, &elem(&1, 2))
    {x_values, y_values} = Enum.unzip(points)
    scale = %{x: Enum.min_max(x_values), y: decades(y_values)}
    labels = x_values |> Enum.uniq() |> Enum.map(&members(&1, scale))
    body = [grid(scale, unit), labels, Enum.map(lines, &line(&1, scale)), names(lines, scale)]
    Page.svg(title, @height, body |> List.flatten() |> Enum.join("\n"))
  end

  defp grid(%{y: {low, high}} = scale, unit) do
    for exponent <- round(:math.log10(low))..round(:math.log10(high)) do
      value = :math.pow(10, exponent)
      y = Page.number(y(value, scale))

      [
        ~s(<line x1="#{@left}" x2="#{@right}" y1="#{y}" y2="#{y}" class="grid"/>),
        Page.text(@left - 10, y(value, scale) + 4, "small", round_text(value, unit), "end")
      ]
    end
  end

  # Ticks are whole powers of ten.
  defp round_text(value, unit), do: value |> Unit.text(unit) |> String.replace(~r/\.0+ /, " ")

  defp members(count, scale), do: Page.text(x(count, scale), @bottom + 22, "small", "#{count}", "middle")

  defp line({label, class, points}, scale) do
    path =
      Enum.map_join(points, " ", fn {count, value} ->
        "#{Page.number(x(count, scale))},#{Page.number(y(value, scale))}"
      end)

    [
      ~s(<polyline points="#{path}" class="line #{class}#{if dashed?(label), do: " dashed"}"/>),
      for {count, value} <- points do
        ~s(<circle cx="#{Page.number(x(count, scale))}" cy="#{Page.number(y(value, scale))}" r="4" class="#{class}"/>)
      end
    ]
  end

  defp dashed?(label), do: label =~ "endpoints"

  # Beside the last point, apart from each other.
  defp names(lines, scale) do
    lines
    |> Enum.map(fn {label, _class, points} -> {y(points |> List.last() |> elem(1), scale), label} end)
    |> Enum.sort()
    |> Enum.map_reduce(0, fn {y, label}, last ->
      y = max(y, last + 18)
      {Page.text(@right + 12, y + 4, "", label), y}
    end)
    |> elem(0)
  end

  defp decades(values) do
    {low, high} = Enum.min_max(values)
    {:math.pow(10, floor(:math.log10(max(low, 1)))), :math.pow(10, ceil(:math.log10(high)))}
  end

  defp x(count, %{x: range}), do: @left + share(count, range) * (@right - @left)
  defp y(value, %{y: range}), do: @bottom - share(max(value, 1), range) * (@bottom - @top)

  defp share(_value, {same, same}), do: 0.5
  defp share(value, {low, high}), do: :math.log(value / low) / :math.log(high / low)
end
