defmodule LibclusterKubernetes.Bench.Svg.Pairs do
  @moduledoc "Pairs of bars, each pair on a scale of its own: the stock strategy's bar has the full length."

  alias LibclusterKubernetes.Bench.Report.Unit
  alias LibclusterKubernetes.Bench.Svg.Page

  @top 76
  @row 58
  @left 190
  @full 330

  @doc "`pairs` are `{label, unit, ours, stock}`."
  def svg(title, pairs) do
    rows = for {pair, index} <- Enum.with_index(pairs), do: row(pair, @top + index * @row)
    Page.svg(title, @top + length(pairs) * @row, Enum.join(rows, "\n"))
  end

  defp row({label, unit, ours, stock}, y) do
    # Something is to be seen of even the smallest.
    length = max(@full * min(ours / max(stock, 1), 1), 1.5)

    Enum.join(
      [
        Page.text(@left - 14, y + 26, "", label, "end"),
        Page.bar(@left, y, length, 18, "ours"),
        Page.text(@left + length + 8, y + 14, "strong", Unit.text(ours, unit)),
        Page.bar(@left, y + 21, @full, 18, "stock"),
        Page.text(@left + @full + 8, y + 35, "", Unit.text(stock, unit)),
        Page.text(Page.width() - 16, y + 26, "strong", Unit.ratio(ours, stock), "end")
      ],
      "\n"
    )
  end
end
