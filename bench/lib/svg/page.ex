defmodule LibclusterKubernetes.Bench.Svg.Page do
  @moduledoc "What all pictures share: the frame, the colours for light and dark, the title and the legend."

  @width 720
  @style """
    text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 14px; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .small { font-size: 12px; fill: #59636e }
    .strong { font-weight: 600 }
    .ours { fill: #7c3aed } .stock { fill: #9aa4af } .grid { stroke: #d1d9e0; stroke-width: 1 }
    .line { fill: none; stroke-width: 2.5 } .line.ours { stroke: #7c3aed; fill: none } .line.stock { stroke: #9aa4af; fill: none }
    .dashed { stroke-dasharray: 6 4 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .small { fill: #9198a1 } .ours { fill: #a78bfa } .stock { fill: #6e7781 }
      .grid { stroke: #3d444d } .line.ours { stroke: #a78bfa } .line.stock { stroke: #8b949e }
    }
  """

  def width, do: @width

  @doc "A whole picture of this height around `body`."
  def svg(title, height, body) do
    """
    <svg xmlns="http://www.w3.org/2000/svg" width="#{@width}" height="#{height}" viewBox="0 0 #{@width} #{height}" role="img">
    <title>#{title}</title>
    <style>
    #{@style}</style>
    #{text(16, 28, "title", title)}
    #{legend()}
    #{body}
    </svg>
    """
  end

  def text(x, y, class, text, anchor \\ "start") do
    ~s(<text x="#{number(x)}" y="#{number(y)}" class="#{class}" text-anchor="#{anchor}">#{text}</text>)
  end

  def bar(x, y, width, height, class) do
    ~s(<rect x="#{number(x)}" y="#{number(y)}" width="#{number(width)}" height="#{height}" rx="2" class="#{class}"/>)
  end

  @doc "A coordinate, in tenths of a pixel."
  def number(value), do: :erlang.float_to_binary(value / 1, [:compact, decimals: 1])

  defp legend do
    Enum.join([
      bar(16, 43, 12, 12, "ours"),
      text(34, 54, "small", "libcluster_kubernetes"),
      bar(176, 43, 12, 12, "stock"),
      text(194, 54, "small", "Cluster.Strategy.Kubernetes")
    ])
  end
end
